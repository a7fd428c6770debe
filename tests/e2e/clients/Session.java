import java.io.StringReader;
import java.io.StringWriter;
import java.math.BigDecimal;
import java.net.URI;
import java.sql.*;
import java.time.LocalDate;
import java.util.UUID;
import org.postgresql.PGConnection;
import org.postgresql.copy.CopyManager;

/** JDBC: server-side prepared statements, fetch size, batches, COPY, cancel. Argument: the URL. */
public class Session {
  static void show(ResultSet rows) throws SQLException {
    ResultSetMetaData meta = rows.getMetaData();
    while (rows.next()) {
      StringBuilder line = new StringBuilder();
      for (int i = 1; i <= meta.getColumnCount(); i++) {
        line.append(meta.getColumnName(i)).append(':').append(meta.getColumnTypeName(i));
        line.append('=').append(rows.getString(i)).append(" | ");
      }
      System.out.println(line);
    }
    rows.close();
  }

  static int count(ResultSet rows) throws SQLException {
    int found = 0;
    while (rows.next()) found++;
    return found;
  }

  static void failing(Statement statement, String text) {
    try {
      statement.execute(text);
      System.out.println("ran: " + text);
    } catch (SQLException e) {
      System.out.println(e.getSQLState() + " " + e.getMessage());
    }
  }

  public static void main(String[] arguments) throws Exception {
    URI url = URI.create(arguments[0]);
    String[] user = url.getUserInfo().split(":");
    String target = "jdbc:postgresql://" + url.getHost() + ":" + url.getPort() + url.getPath();
    Connection c = DriverManager.getConnection(target + "?prepareThreshold=2", user[0], user[1]);
    Statement s = c.createStatement();
    s.execute("CREATE TABLE jt (id int PRIMARY KEY, a text NOT NULL, t text[], u uuid, j jsonb,"
        + " ts timestamp, n numeric(8,2), d date)");
    PreparedStatement insert = c.prepareStatement("INSERT INTO jt VALUES (?,?,?,?,?::jsonb,?,?,?)");
    for (int i = 0; i < 50; i++) {
      insert.setInt(1, i);
      insert.setString(2, "é" + i);
      insert.setArray(3, c.createArrayOf("text", new String[] {"a", "b" + i}));
      insert.setObject(4, new UUID(1, i));
      insert.setString(5, "{\"k\":" + i + "}");
      insert.setTimestamp(6, new Timestamp(i * 1000L));
      insert.setBigDecimal(7, new BigDecimal("1.25"));
      insert.setObject(8, LocalDate.of(2020, 1, 1));
      insert.addBatch();
    }
    System.out.println(insert.executeBatch().length);
    PreparedStatement one = c.prepareStatement("SELECT * FROM jt WHERE id = ?");
    for (int i = 0; i < 6; i++) {
      one.setInt(1, i);
      show(one.executeQuery());
    }
    System.out.println(one.getParameterMetaData().getParameterTypeName(1));
    insert.setInt(1, 1);
    try {
      insert.addBatch();
      insert.executeBatch();
    } catch (BatchUpdateException e) {
      System.out.println(e.getSQLState() + " " + e.getUpdateCounts().length);
    }

    c.setAutoCommit(false);
    PreparedStatement slowly = c.prepareStatement("SELECT id FROM jt ORDER BY id");
    slowly.setFetchSize(7);
    System.out.println("fetched " + count(slowly.executeQuery()));
    Savepoint savepoint = c.setSavepoint();
    failing(s, "SELECT 1/0");
    failing(s, "SELECT 1");
    c.rollback(savepoint);
    c.commit();
    c.setAutoCommit(true);

    CopyManager copies = c.unwrap(PGConnection.class).getCopyAPI();
    String in = "100\tx\n101\ty\n";
    System.out.println(copies.copyIn("COPY jt (id, a) FROM STDIN", new StringReader(in)));
    StringWriter out = new StringWriter();
    copies.copyOut("COPY (SELECT id, a FROM jt WHERE id > 97 ORDER BY 1) TO STDOUT", out);
    System.out.print(out);
    try {
      copies.copyIn("COPY jt (id, a) FROM STDIN", new StringReader("x\ty\n"));
    } catch (SQLException e) {
      System.out.println(e.getSQLState() + " " + e.getMessage());
    }

    DatabaseMetaData meta = c.getMetaData();
    show(meta.getTables(null, "public", "jt", null));
    show(meta.getPrimaryKeys(null, "public", "jt"));
    System.out.println(count(meta.getColumns(null, "public", "jt", null)));
    System.out.println(count(meta.getIndexInfo(null, "public", "jt", false, true)));
    System.out.println(count(meta.getTypeInfo()) + " " + count(meta.getFunctions(null, null, "abs%")));
    String[] keys = {"id"};
    PreparedStatement keyed = c.prepareStatement("INSERT INTO jt (id, a) VALUES (500, 'g')", keys);
    keyed.executeUpdate();
    show(keyed.getGeneratedKeys());
    s.setQueryTimeout(1);
    failing(s, "SELECT pg_sleep(20)");
    s.setQueryTimeout(0);
    Statement updating =
        c.createStatement(ResultSet.TYPE_SCROLL_INSENSITIVE, ResultSet.CONCUR_UPDATABLE);
    ResultSet row = updating.executeQuery("SELECT id, a FROM jt WHERE id = 1");
    row.next();
    row.updateString(2, "changed");
    row.updateRow();
    row.close();
    show(s.executeQuery("SELECT a FROM jt WHERE id = 1"));
    s.execute("ALTER TABLE jt ADD COLUMN late int");
    one.setInt(1, 3);
    try {
      show(one.executeQuery());
    } catch (SQLException e) {
      System.out.println(e.getSQLState() + " " + e.getMessage());
    }
    s.execute("SELECT 1; SELECT 2");
    System.out.println(s.getMoreResults());
    failing(s, "SELECT nosuch");
    failing(s, "INSERT INTO jt (id, a) VALUES (1, 'd')");
    failing(s, "SELEC 1");
    CallableStatement call = c.prepareCall("{? = call lower(?)}");
    call.registerOutParameter(1, Types.VARCHAR);
    call.setString(2, "UP");
    call.execute();
    System.out.println(call.getString(1));
    c.close();
  }
}
