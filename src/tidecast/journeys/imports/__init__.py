"""History from elsewhere, read into usage records or raw samples. Pure: bytes in, arrays out."""
