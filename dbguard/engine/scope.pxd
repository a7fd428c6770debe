cdef class Scope:
    cdef public str login_user
    cdef public object parameters
    cdef public tuple texts
    cdef public str first_user
    cdef public object view
    cdef public object said
    cdef public object seen
    cdef public object overlay
    cdef public object overlay_base
    cdef public bint overlay_stale
    cdef public bint has_temporary
    cdef public bint names_touched
    cdef public bint names_lasting
    cdef public bint names_passing
    cdef public bint names_obscure
    cdef public object before
    cdef public object recalled
    cdef public object reported
    cdef public bint role_unsure
    cdef public bint role_touched
    cdef public bint role_set
    cdef public object session_said
    cdef public bint catalog_touched
    cdef public bint temporary_touched
    cdef public object temporary
    cdef public object temporary_before
    cdef public object uncommitted
    cdef public object behind_overlay
    cdef public object committed
    cdef public bint failed
    cdef public bint query_broke
    cdef public bint raw_access
    cdef public bytes status

    cpdef bint settled(self) except -1
    cpdef void transaction_ended(self, bint committed) except *
    cpdef void ready(self) except *
