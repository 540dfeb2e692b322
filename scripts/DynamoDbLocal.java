import java.lang.reflect.Field;
import org.eclipse.jetty.server.Connector;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import software.amazon.dynamodb.services.local.main.ServerRunner;
import software.amazon.dynamodb.services.local.server.DynamoDBProxyServer;

/**
 * Starts DynamoDB Local on loopback alone: by itself it listens on every interface and has no option for that.
 *
 * <p>The first argument is the port, 0 for a free one; the rest go to DynamoDB Local. Once it answers, the port is
 * printed on a line of its own. It lives as long as its standard input is open, so it never outlives its parent,
 * however that one ends.
 */
public final class DynamoDbLocal {
    public static void main(String[] arguments) throws Exception {
        int port = Integer.parseInt(arguments[0]);
        String[] options = java.util.Arrays.copyOfRange(arguments, 1, arguments.length);
        DynamoDBProxyServer local = ServerRunner.createServerFromCommandLineArgs(options);

        Field field = DynamoDBProxyServer.class.getDeclaredField("server");
        field.setAccessible(true);
        Server jetty = (Server) field.get(local);
        for (Connector connector : jetty.getConnectors()) {
            ((ServerConnector) connector).setHost("127.0.0.1");
            ((ServerConnector) connector).setPort(port);
        }
        local.start();
        System.out.println(((ServerConnector) jetty.getConnectors()[0]).getLocalPort());
        System.out.flush();

        while (System.in.read() >= 0) {
            // Whatever is said to it does not matter, only that somebody is there.
        }
        Runtime.getRuntime().halt(0);
    }
}
