cimport cython

from dbguard.proxy.polling cimport Poll


cdef class Channel:
    cdef public str peer
    cdef public object _socket
    cdef public object _tls
    cdef public int _descriptor
    cdef public object _loop
    cdef public Poll _poll
    cdef public int _watching
    cdef public int _most
    cdef public bytes _unread
    cdef public object _tap
    cdef public bytearray _unsent
    cdef public object _read
    cdef public object _told
    cdef public object _drained
    cdef public object _handshake
    cdef public bint _ended
    cdef public bint _broken
    cdef public object _failure
    cdef public bint _paused
    cdef public Py_ssize_t _left
    cdef public double _taken

    cpdef happened(self, int events)
    cpdef watch(self)
    @cython.locals(before=int)
    cpdef be_told(self, int wanted)
    @cython.locals(data=bytes, size=Py_ssize_t)
    cdef _fill(self)
    cdef _keep(self, bytes data)
    cpdef _end(self)
    cpdef _wake(self)
    cpdef _hold_back(self)
    cpdef _let_come(self)
    @cython.locals(sent=Py_ssize_t)
    cpdef write(self, bytes data)
    cdef Py_ssize_t _sent(self, data) except -2
    @cython.locals(sent=Py_ssize_t)
    cpdef _flush(self)
    cdef _discard(self)
    cpdef _break_off(self, error)
    cpdef lose(self, error)
