import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.opensearch.common.settings.Settings;
import org.opensearch.index.reindex.ReindexPlugin;
import org.opensearch.knn.plugin.KNNPlugin;
import org.opensearch.node.InternalSettingsPreparer;
import org.opensearch.node.Node;
import org.opensearch.plugins.Plugin;
import org.opensearch.transport.Netty4Plugin;

/** Main runs a cluster of one OpenSearch node on loopback until it is killed. Arguments: directory for its data, port of HTTP, port of the transport. */
public class Main {
  static class Server extends Node {
    Server(Settings s, List<Class<? extends Plugin>> plugins) {
      super(InternalSettingsPreparer.prepareEnvironment(s, Map.of(), Path.of(s.get("path.home")), () -> "node"), plugins, true);
    }
  }

  public static void main(String[] a) throws Exception {
    Settings s = Settings.builder()
        .put("path.home", a[0]).put("http.port", a[1]).put("transport.port", a[2]).put("network.host", "127.0.0.1")
        .put("discovery.type", "single-node").put("cluster.name", "test").put("transport.type", "netty4").put("http.type", "netty4")
        .put("cluster.routing.allocation.disk.threshold_enabled", false)
        .build();
    new Server(s, List.of(Netty4Plugin.class, ReindexPlugin.class, KNNPlugin.class)).start();
    Thread.currentThread().join();
  }
}
