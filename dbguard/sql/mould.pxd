cimport cython

cdef class Mould:
    cdef list _gaps, _strings

    @cython.locals(gaps=list, found=list, gap=bytes, content=bytes, position=Py_ssize_t,
                   end=Py_ssize_t, number=Py_ssize_t, is_string=bint)
    cpdef list literals(self, bytes data, Py_ssize_t start, Py_ssize_t stop)
