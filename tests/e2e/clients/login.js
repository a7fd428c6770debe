// Logs in once for each argument, a JSON object of options for `pg`, and prints who that made us.
const { Client } = require('pg');

async function main() {
  for (const text of process.argv.slice(2)) {
    const client = new Client(JSON.parse(text));
    try {
      await client.connect();
      const { rows } = await client.query('SELECT session_user::text AS who');
      console.log(rows[0].who);
      await client.end();
    } catch (error) {
      console.log(error.code, error.message);
    }
  }
}

main();
