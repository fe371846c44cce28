//! Files that are not what they were given for, told by how they begin.

/// Beginnings of files, what they are, and what to do with them.
const KNOWN: [(&[u8], &str); 22] = [
    (b"PK\x03\x04", "a zip archive or a workbook (.xlsx); unpack it, or save the sheet as CSV"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"\x1f\x8b", "compressed by gzip once more; decompress it (gunzip)"),
    (b"BZh", "compressed by bzip2; decompress it (bunzip2), or compress it by gzip instead"),
    (b"\xfd7zXZ\0", "compressed by xz; decompress it (unxz), or compress it by gzip instead"),
    (b"\x28\xb5\x2f\xfd", "compressed by Zstandard; decompress it (unzstd), or compress it by gzip instead"),
    (b"\x04\x22\x4d\x18", "compressed by LZ4; decompress it (unlz4), or compress it by gzip instead"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive; unpack it"),
    (b"Rar!\x1a\x07", "a RAR archive; unpack it"),
    (b"\xff\xfe\0\0", "UTF-32 text; save it as UTF-8"),
    (b"\0\0\xfe\xff", "UTF-32 text; save it as UTF-8"),
    (b"\xff\xfe", "UTF-16 text; save it as UTF-8"),
    (b"\xfe\xff", "UTF-16 text; save it as UTF-8"),
    (b"PAR1", "a Parquet file; save it as CSV or for NumPy"),
    (b"ARROW1", "an Arrow (Feather) file; save it as CSV or for NumPy"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file; save its arrays for NumPy"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old workbook (.xls); save the sheet as CSV"),
    (b"SQLite format 3\0", "an SQLite database; export the table as CSV"),
    (b"%PDF-", "a PDF document"),
    (b"\x80\x04\x95", "a Python pickle; save its arrays for NumPy"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself; fetch that (git lfs pull)"),
    (b"{\\rtf", "a rich text document; save it as plain text"),
];

/// Bytes of a file's beginning that [`kind`] looks at.
pub(crate) const BEGINNING: usize = 64;

/// What a file is that begins so, and what to do about it; none where it may be what it was given for.
pub(crate) fn kind(start: &[u8]) -> Option<&'static str> {
    if let Some((_, kind)) = KNOWN.iter().find(|(known, _)| start.starts_with(known)) {
        return Some(kind);
    }
    // A letter and a zero in turn, in either order: text of two bytes a character without a mark.
    let letter = |byte: u8| matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~');
    if let [a, b, c, d, ..] = *start
        && ((letter(a) && b == 0 && letter(c) && d == 0) || (a == 0 && letter(b) && c == 0 && letter(d)))
    {
        return Some("UTF-16 text; save it as UTF-8");
    }
    let text = start.trim_ascii_start();
    let web = [&b"<!doctype html"[..], b"<html", b"<?xml"];
    let begins = |tag: &&[u8]| text.get(..tag.len()).is_some_and(|text| text.eq_ignore_ascii_case(tag));
    web.iter().any(begins).then_some("a web page or XML, not the data; download the file itself")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_files_are_told_by_their_beginning() {
        for (start, part) in [
            (&b"PK\x03\x04rest"[..], "zip"),
            (b"\xff\xfe1\0,\0", "UTF-16"),
            (b"\xff\xfe\0\0", "UTF-32"),
            (b"a\0,\0b\0", "UTF-16"),
            (b"\0{\0\"", "UTF-16"),
            (b"\n <!DOCTYPE HTML>", "web page"),
            (b"version https://git-lfs.github.com/spec/v1", "git lfs pull"),
        ] {
            assert!(kind(start).is_some_and(|kind| kind.contains(part)), "{part}");
        }
    }

    #[test]
    fn files_that_are_read_are_not_foreign() {
        for start in [
            &b""[..],
            b"1",
            b"x,y\n",
            b"\0\0\x08\x03",
            b"\x93NUMPY",
            b"{\"a\"",
            b"<3,1\n",
            b"PKW,1\n",
            b"\xef\xbb\xbfx,y",
        ] {
            assert_eq!(kind(start), None, "{start:?}");
        }
    }
}
