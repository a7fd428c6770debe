"""Who people and programs are, where dbguard knows them itself (`authentication.mode: identities`).

A client *claims* a name in its StartupMessage and *proves* it to dbguard before any server is
asked. `identifying` is that conversation: sans-io, a list of *mechanisms* of which the client
chooses one, and the place where a new kind of proof plugs in. What is proved is an `Identity`: the
name, the kind of proof, roles of the policy and attributes that come with it.

The *user store* (`users`, `store`) is dbguard's own list of people, a JSON file of SCRAM verifiers,
roles and attributes that `dbguard user` edits and a running proxy reads again when it changes
(`known_users`). `credentials` choose by the identity's roles which database user stands for it at
the server, and read that one's password anew each time. `one_time` are time-based one-time
passwords (RFC 6238) for logins by HTTP.

A *token* is a signed statement of an *issuer* about somebody (JWT, RFC 7519): its *claims* are
verified (`tokens`) with one of the issuer's *keys* (`keys`, `issuer`) and mapped (`claims`) to an
identity. A *certificate* that TLS has accepted has *names* (`certificates`), which the lines of a
*certificate map* lead to an identity.

What decides is pure: time and randomness come as arguments. Only `fetching` and `issuer` open
sockets, `store` and `known_users` files, and `credentials` files and processes.
"""
