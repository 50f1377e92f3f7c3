"""Facts: frozen structs, one file a section. No I/O and no opinion lives here."""
