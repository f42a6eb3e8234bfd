import java.net.InetSocketAddress;
import java.util.HashMap;
import java.util.Map;
import org.apache.iceberg.jdbc.JdbcCatalog;
import org.apache.iceberg.rest.RESTCatalogAdapter;
import org.apache.iceberg.rest.RESTCatalogServlet;
import org.eclipse.jetty.ee10.servlet.ServletContextHandler;
import org.eclipse.jetty.ee10.servlet.ServletHolder;
import org.eclipse.jetty.server.Server;

/** Main serves an Iceberg REST catalog on loopback. Arguments: port, SQLite file, warehouse (s3://bucket/prefix), endpoint of S3. Credentials come from AWS_*. */
public class Main {
  public static void main(String[] a) throws Exception {
    Map<String, String> p = new HashMap<>();
    p.put("uri", "jdbc:sqlite:" + a[1] + "?busy_timeout=10000");
    p.put("warehouse", a[2]);
    p.put("jdbc.schema-version", "V1");
    p.put("clients", "1");
    p.put("io-impl", "org.apache.iceberg.aws.s3.S3FileIO");
    p.put("s3.endpoint", a[3]);
    p.put("s3.path-style-access", "true");
    p.put("client.region", System.getenv("AWS_REGION"));
    p.put("http-client.type", "urlconnection");
    JdbcCatalog catalog = new JdbcCatalog();
    catalog.initialize("rest", p);
    ServletContextHandler h = new ServletContextHandler();
    h.addServlet(new ServletHolder(new RESTCatalogServlet(new RESTCatalogAdapter(catalog))), "/*");
    Server s = new Server(new InetSocketAddress("127.0.0.1", Integer.parseInt(a[0])));
    s.setHandler(h);
    s.start();
    s.join();
  }
}
