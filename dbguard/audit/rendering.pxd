cdef class Rendered:
    cdef readonly bytes body
    cdef readonly tuple counted

cdef class DecisionTemplate:
    cdef bytes _action, _decision, _masked, _reasons, _text
    cdef readonly tuple counted
    cpdef Rendered fill(self, object session, str phase, str statement)

cpdef Rendered rendered_outcome(
    bytes session,
    object decision,
    bytes command_tag,
    object rows,
    str sqlstate,
    object duration_microseconds,
    object size,
)
