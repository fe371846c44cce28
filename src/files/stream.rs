//! What is no regular file: devices, pipes, sockets and open descriptors, which are written to and stay what they are.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
#[cfg(unix)]
use std::time::{Duration, Instant};

/// How long a pipe waits for its reader.
#[cfg(unix)]
const PATIENCE: Duration = Duration::from_secs(10);

#[cfg(unix)]
pub(super) fn may_write(path: &Path) -> io::Result<()> {
    Ok(rustix::fs::access(path, rustix::fs::Access::WRITE_OK)?)
}

#[cfg(not(unix))]
pub(super) fn may_write(path: &Path) -> io::Result<()> {
    fs::metadata(path).map(drop)
}

/// Opens what is no regular file. A descriptor may be one after all, which is added to.
#[cfg(unix)]
pub(super) fn open(path: &Path) -> io::Result<Box<dyn Write + Send>> {
    use std::os::unix::fs::FileTypeExt;
    let kind = fs::metadata(path)?.file_type();
    Ok(if kind.is_socket() {
        Box::new(std::os::unix::net::UnixStream::connect(path)?)
    } else if kind.is_fifo() {
        Box::new(open_pipe(path)?)
    } else {
        Box::new(File::options().append(true).open(path)?)
    })
}

#[cfg(not(unix))]
pub(super) fn open(path: &Path) -> io::Result<Box<dyn Write + Send>> {
    Ok(Box::new(File::options().append(true).open(path)?))
}

/// Opens a pipe when somebody reads from it. Left to itself, the system waits for a reader for ever, and in silence.
#[cfg(unix)]
fn open_pipe(path: &Path) -> io::Result<File> {
    use rustix::fs::{self, Mode, OFlags, fcntl_getfl, fcntl_setfl};
    use rustix::io::Errno;
    let begun = Instant::now();
    loop {
        match fs::open(path, OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty()) {
            Ok(pipe) => {
                fcntl_setfl(&pipe, fcntl_getfl(&pipe)? - OFlags::NONBLOCK)?;
                return Ok(pipe.into());
            }
            Err(Errno::NXIO) if begun.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(50));
            }
            Err(Errno::NXIO) => {
                let waited = format!("it is a pipe that nobody has read from for {} s", PATIENCE.as_secs());
                return Err(io::Error::new(io::ErrorKind::TimedOut, waited));
            }
            Err(error) => return Err(error.into()),
        }
    }
}
