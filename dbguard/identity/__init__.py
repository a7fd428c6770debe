"""Who somebody is, told by what they can show: tokens, certificates.

A *token* is a signed statement of an *issuer* about somebody (JWT, RFC 7519): its *claims* are
verified (`tokens`) with one of the issuer's *keys* (`keys`, `issuer`) and mapped (`claims`) to an
`Identity`: a name, roles of the policy, attributes. A *certificate* that TLS has accepted has
*names* (`certificates`), which the lines of a *certificate map* lead to an identity.

What decides is pure: time comes as an argument. Only `fetching` and `issuer` open sockets.
"""
