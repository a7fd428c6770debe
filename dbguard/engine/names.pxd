cdef class Prepared:
    cdef public str name
    cdef public bytes text
    cdef public object parameter_types
    cdef public object plan
    cdef public object basis
    cdef public bint by_sql
    cdef public str forwarded
    cdef public str identity
    cdef public object told
    cdef public bint reshaped
    cdef public Py_ssize_t cycle
    cdef public bint lost
    cdef public bint columnless
    cdef public object counted

cdef class Portal:
    cdef public str name
    cdef public object plan
    cdef public object decisions
    cdef public str statement
    cdef public bint executed
    cdef public bint holdable
    cdef public Py_ssize_t cycle
    cdef public object source
    cdef public object basis
    cdef public object base
    cdef public bytes text
    cdef public double met
    cdef public object counted

cdef class NameTable:
    cdef public Py_ssize_t limit
    cdef public object max_bytes
    cdef public object statements
    cdef public object portals
    cdef public Py_ssize_t cycle
    cdef public object _made

    cpdef Py_ssize_t next_cycle(self) except -1
    cpdef void end_transaction(self, Py_ssize_t cycle) except *
