/** What a model or a version may be called in a path, a header or a message. */
export const namePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
