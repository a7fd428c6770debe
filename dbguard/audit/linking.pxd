cimport cython

@cython.locals(lines=list, sequence=cython.longlong, moment=cython.longlong, before=cython.longlong,
               stamp=bytes, body=bytes, covered=bytes, digest=bytes)
cpdef bytes link(list entries, bytes prev, list digests)
