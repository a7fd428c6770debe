"""PostgreSQL's frontend/backend protocol, version 3, without I/O.

Bytes from a client go into a `FrontendSplitter`: first it gives *startup packets* (untagged:
StartupMessage, SSLRequest, GSSENCRequest, CancelRequest), then tagged *frames*. Bytes from the
server go into a `BackendSplitter`: frames, and for DataRow and CopyData *row runs*, the raw bytes
of neighbouring messages, so that relaying a result makes no Python object a row.

A frame becomes a *message* (one frozen dataclass a message, named as in the protocol) with
`frontend.decode` or `backend.decode`, and bytes again with `.encode()`. ErrorResponse and
NoticeResponse carry *error fields*.

Direction is in the module, since letters mean different things either way (`tags.Frontend`,
`tags.Backend`). Whatever does not follow the protocol raises `ProtocolViolation`, with no
content in its text; every length and count a peer can send has a cap.

Source: PostgreSQL documentation, chapter "Frontend/Backend Protocol", and for limits
src/include/libpq/libpq.h and src/backend/libpq of PostgreSQL.
"""
