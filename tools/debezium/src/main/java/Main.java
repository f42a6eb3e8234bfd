import io.debezium.engine.ChangeEvent;
import io.debezium.engine.DebeziumEngine;
import io.debezium.engine.format.Json;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.Properties;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;

/**
 * Prints the change events of table public.docs of a PostgreSQL, as Debezium writes them in JSON: a line each, topic, key and value in base64 with tabs between them, - for
 * null. Ends with its standard input. Arguments: port, and whether events carry their schema (Kafka Connect's schemas.enable).
 */
public final class Main {
    public static void main(String[] args) throws Exception {
        Properties p = new Properties();
        p.setProperty("name", "capture");
        p.setProperty("connector.class", "io.debezium.connector.postgresql.PostgresConnector");
        p.setProperty("offset.storage", "org.apache.kafka.connect.storage.MemoryOffsetBackingStore");
        p.setProperty("database.hostname", "127.0.0.1");
        p.setProperty("database.port", args[0]);
        p.setProperty("database.user", "postgres");
        p.setProperty("database.password", "none");
        p.setProperty("database.dbname", "postgres");
        p.setProperty("topic.prefix", "shop");
        p.setProperty("table.include.list", "public.docs");
        p.setProperty("plugin.name", "pgoutput");
        p.setProperty("slot.name", "capture_" + args[1]);
        p.setProperty("publication.name", "capture_" + args[1]);
        p.setProperty("converter.schemas.enable", args[1]);
        DebeziumEngine<ChangeEvent<String, String>> engine = DebeziumEngine.create(Json.class).using(p).notifying(Main::print).build();
        ExecutorService runner = Executors.newSingleThreadExecutor();
        runner.execute(engine);
        while (System.in.read() >= 0) {
        }
        engine.close();
        runner.shutdown();
        runner.awaitTermination(30, TimeUnit.SECONDS);
    }

    private static synchronized void print(ChangeEvent<String, String> e) {
        System.out.println(base64(e.destination()) + "\t" + base64(e.key()) + "\t" + base64(e.value()));
        System.out.flush();
    }

    private static String base64(String s) {
        return s == null ? "-" : Base64.getEncoder().encodeToString(s.getBytes(StandardCharsets.UTF_8));
    }
}
