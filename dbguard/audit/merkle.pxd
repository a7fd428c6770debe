cimport cython

cdef class MerkleTree:
    cdef list _peaks
    cdef object _size

    @cython.locals(peaks=list, size=object, below=object, node=bytes)
    cpdef void extend(self, object leaves) except *
