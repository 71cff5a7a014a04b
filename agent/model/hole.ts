/**
 * A run of at least this many NULs at the start of a line is a hole: bytes that nobody wrote. It is
 * what a file has between its start and the offset at which a writer without O_APPEND continues
 * after a truncation. Fewer NULs are content, and so are all NULs after the first character of a
 * line.
 */
export const HOLE_BYTES_MIN = 16;
