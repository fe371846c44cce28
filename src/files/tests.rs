//! What is written, replaced, checked and refused, in folders of the tests' own.

use super::*;
use tempfile::TempDir;

fn place() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_file_is_replaced_and_nothing_else_is_left() {
    let folder = place();
    let path = folder.path().join("a.txt");
    for text in ["one", "another"] {
        write(&path, text.as_bytes()).expect("written");
        assert_eq!(read(&path), text);
    }
    assert_eq!(names(folder.path()), ["a.txt"]);
}

#[test]
fn what_fails_half_way_leaves_the_old_file() {
    let folder = place();
    let path = folder.path().join("a.txt");
    write(&path, b"old").expect("written");
    let failed = Place::find(&path).expect("a file").write_with(|file| {
        file.write_all(b"half")?;
        Err(io::Error::other("the disk is full"))
    });
    assert_eq!(failed.expect_err("a failure").to_string(), "the disk is full");
    assert_eq!(read(&path), "old");
    assert_eq!(names(folder.path()), ["a.txt"]);
}

#[test]
fn a_folder_and_names_of_no_file_are_refused() {
    let folder = place();
    let refused = |path: &Path| Place::find(path).expect_err("no place for a file").to_string();
    assert_eq!(refused(folder.path()), "it is a folder, not a file");
    for name in ["new/", ".."] {
        let reason = refused(&folder.path().join(name));
        assert!(reason.contains("folder") || reason.contains("the name of a file"), "{reason}");
    }
    assert!(refused(Path::new("")).contains("the name of a file"));
    assert_eq!(names(folder.path()), [""; 0]);
}

#[test]
fn a_place_is_checked_without_a_trace() {
    let folder = place();
    let check = |name: &str| Place::find(&folder.path().join(name)).and_then(|place| place.check());
    check("a.txt").expect("a place");
    assert_eq!(names(folder.path()), [""; 0]);
    write(&folder.path().join("a.txt"), b"text").expect("written");
    check("a.txt").expect("a place");
    assert_eq!(read(&folder.path().join("a.txt")), "text");
    check("nowhere/deep/a.txt").expect("a place in a folder that can be made");
    assert_eq!(check("a.txt/b.txt").expect_err("no folder").kind(), ErrorKind::NotADirectory);
    check_folder(&folder.path().join("new/deep")).expect("a folder that can be made");
    let reason = check_folder(&folder.path().join("a.txt/new")).expect_err("a file in the way").to_string();
    assert!(reason.contains("a.txt is a file"), "{reason}");
    assert_eq!(names(folder.path()), ["a.txt"]);
}

#[test]
fn what_is_written_makes_its_folders() {
    let folder = place();
    let path = folder.path().join("new/deep/a.txt");
    write(&path, b"text").expect("written");
    assert_eq!(read(&path), "text");
    let log = folder.path().join("other/log");
    appending(&log).and_then(|mut log| log.write_all(b"line\n")).expect("written");
    assert_eq!(read(&log), "line\n");
}

#[test]
fn a_dash_is_standard_output_and_a_file_of_that_name_has_a_path() {
    assert_eq!(Place::find(Path::new("-")).expect("a place"), Place::StandardOutput);
    let file = Path::new("./-");
    assert_eq!(Place::find(file).expect("a place"), Place::File(file.to_owned()));
}

#[cfg(unix)]
mod on_unix {
    use super::*;
    use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
    use std::os::unix::net::UnixListener;

    #[test]
    fn links_stay_and_what_they_name_is_written() {
        let folder = place();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("links")).expect("a folder");
        fs::write(at("target.txt"), "old").expect("a file");
        for (link, target) in
            [("links/one", "../target.txt"), ("two", "links/one"), ("dangling", "new.txt"), ("loop", "loop")]
        {
            symlink(target, at(link)).expect("a link");
        }
        write(&at("two"), b"through two links").expect("written");
        assert_eq!(read(&at("target.txt")), "through two links");
        write(&at("dangling"), b"made").expect("written");
        assert_eq!(read(&at("new.txt")), "made");
        for link in ["links/one", "two", "dangling"] {
            assert!(fs::symlink_metadata(at(link)).expect("there").is_symlink(), "{link}");
        }
        assert!(write(&at("loop"), b"").expect_err("a circle").to_string().contains("circle"));
        assert!(fs::symlink_metadata(at("loop")).expect("there").is_symlink());
    }

    #[test]
    fn permissions_stay_and_new_files_have_the_usual_ones() {
        let folder = place();
        let mode = |name: &str| fs::metadata(folder.path().join(name)).expect("there").mode() & 0o7777;
        fs::write(folder.path().join("usual"), "").expect("a file");
        write(&folder.path().join("new"), b"").expect("written");
        assert_eq!(mode("new"), mode("usual"));
        for bits in [0o600, 0o666, 0o755] {
            let path = folder.path().join("old");
            fs::write(&path, "old").expect("a file");
            fs::set_permissions(&path, fs::Permissions::from_mode(bits)).expect("ours");
            write(&path, b"new").expect("written");
            assert_eq!((mode("old"), read(&path).as_str()), (bits, "new"));
        }
    }

    #[test]
    fn a_device_and_a_pipe_are_written_to_and_stay() {
        let folder = place();
        write(Path::new("/dev/null"), b"text").expect("written");
        assert!(fs::metadata("/dev/null").expect("there").file_type().is_char_device());
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.expect("mkfifo").success());
        let text = std::thread::scope(|scope| {
            let reader = scope.spawn(|| read(&pipe));
            write(&pipe, b"text").expect("written");
            reader.join().expect("a reader")
        });
        assert_eq!(text, "text");
        assert!(fs::metadata(&pipe).expect("there").file_type().is_fifo());
    }

    #[test]
    fn a_socket_is_written_to() {
        let folder = place();
        let path = folder.path().join("socket");
        let listener = UnixListener::bind(&path).expect("a socket");
        write(&path, b"text").expect("written");
        let (mut stream, _) = listener.accept().expect("a writer");
        let mut text = String::new();
        io::Read::read_to_string(&mut stream, &mut text).expect("text");
        assert_eq!(text, "text");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_descriptor_is_added_to_and_not_followed() {
        use std::os::fd::AsRawFd;
        let folder = place();
        let path = folder.path().join("log");
        fs::write(&path, "before\n").expect("a file");
        let log = File::options().append(true).open(&path).expect("a file");
        let link = folder.path().join("link");
        symlink(format!("/proc/self/fd/{}", log.as_raw_fd()), &link).expect("a link");
        for name in [Path::new(&format!("/dev/fd/{}", log.as_raw_fd())), &link] {
            write(name, b"text\n").expect("written");
        }
        assert_eq!(read(&path), "before\ntext\ntext\n");
        for name in ["/dev/stdout", "/proc/self/fd/1", "/dev/fd/1"] {
            assert_eq!(Place::find(Path::new(name)).expect("a place"), Place::StandardOutput, "{name}");
        }
    }
}
