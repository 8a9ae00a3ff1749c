//! Folders and files that only their owner may read: they hold prompts, digests of keys, and secrets.

use std::{
    fs::{DirBuilder, OpenOptions},
    io,
    path::Path,
};

/// Makes a folder, and those above it that are missing. One that is there stays as it is.
///
/// # Errors
/// Of the disk.
pub fn folder(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// How a file is opened to be written that is made where it is missing.
#[must_use]
pub fn file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// How a new file is opened; one that is there is refused.
#[must_use]
pub fn new_file() -> OpenOptions {
    let mut options = file();
    options.create_new(true);
    options
}

/// The mode of a folder that others than its owner may look into.
#[must_use]
pub fn open_to_others(folder: &Path) -> Option<u32> {
    let mode = mode(folder)?;
    (mode & 0o077 != 0).then_some(mode)
}

#[cfg(unix)]
fn mode(path: &Path) -> Option<u32> {
    let data = path.metadata().ok()?;
    Some(std::os::unix::fs::PermissionsExt::mode(&data.permissions()) & 0o7777)
}

#[cfg(not(unix))]
fn mode(_path: &Path) -> Option<u32> {
    None
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_is_its_owners_and_what_stands_stays_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let made = dir.path().join("a/b");
        folder(&made).unwrap();
        new_file().open(made.join("file")).unwrap();
        for (path, wanted) in [(dir.path().join("a"), 0o700), (made.clone(), 0o700), (made.join("file"), 0o600)] {
            assert_eq!(mode(&path), Some(wanted), "{}", path.display());
        }
        assert_eq!(open_to_others(&made), None);
        std::fs::set_permissions(&made, std::os::unix::fs::PermissionsExt::from_mode(0o750)).unwrap();
        folder(&made).unwrap();
        assert_eq!(open_to_others(&made), Some(0o750));
        assert!(new_file().open(made.join("file")).is_err());
    }
}
