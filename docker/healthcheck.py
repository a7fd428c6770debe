"""Is the proxy there? Connects and asks for TLS as every client does; exit code 0 or 1.

`S` and `N` are the two answers of PostgreSQL's protocol to SSLRequest, so either shows that the
process accepts connections and speaks. It needs no password and reaches no data.
"""

import os
import socket
import struct
import sys

SSL_REQUEST = struct.pack("!ii", 8, 80877103)


def main() -> int:
    port = int(os.environ.get("DBGUARD_LISTEN__PORT", "6432"))
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=3) as connection:
            connection.sendall(SSL_REQUEST)
            answer = connection.recv(1)
    except OSError as error:
        sys.stderr.write(f"port {port}: {error.strerror or 'no answer'}\n")
        return 1
    if answer not in (b"S", b"N"):
        sys.stderr.write(f"port {port}: not a PostgreSQL protocol answer\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
