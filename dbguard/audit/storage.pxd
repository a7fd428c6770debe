cpdef write_fully(object file, bytes data, long long offset)
