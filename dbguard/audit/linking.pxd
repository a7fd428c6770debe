cimport cython

@cython.locals(lines=list, second=object, text=bytes, body=bytes, covered=bytes, digest=bytes)
cpdef bytes link(object entries, bytes prev, list digests)
