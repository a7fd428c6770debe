from dbguard.audit.rendering cimport Rendered, rendered_outcome

cdef class Outcomes:
    cdef public str session
    cdef public object surroundings
    cdef public bytes _rendered

    cpdef void ended(self, object decision, double started, bytes tag, object rows, object size,
                     str sqlstate) except *
