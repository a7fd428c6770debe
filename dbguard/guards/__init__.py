"""What a decision may require before its statement runs.

A *guard* answers one question about the world (is there a proven backup?) with a *verdict*:
satisfied or not, in words that can be shown to the client. A guard that cannot find out answers
"not satisfied". Each kind of guard is a package of its own.
"""
