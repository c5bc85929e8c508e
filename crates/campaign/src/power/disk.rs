//! A disk that loses what was not synced: the journal of a process's file operations, and what is left after a power cut.
//!
//! A write reaches the disk for certain with the next sync of its file, a name with the next sync of its directory. What came after may
//! be there in part: blocks of 512 bytes, each or none of them, and names in the order in which they were made.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use fastrand::Rng;

/// The smallest part of a write that a disk keeps or loses.
const SECTOR: usize = 512;

/// Sectors that are lost together at times, as a page of a flash disk is.
const PAGE_SECTORS: usize = 8;

/// One operation of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Open { path: String, creates: bool, truncates: bool },
    Write { path: String, offset: usize, bytes: Vec<u8> },
    Sync { path: String },
    SyncFailed { path: String },
    Rename { from: String, to: String },
    Truncate { path: String, length: usize },
    Unlink { path: String },
}

/// Reads the journal that `preload.c` wrote. A record that the kill cut off is none.
pub(crate) fn read_journal(bytes: &[u8]) -> Result<Vec<Operation>> {
    let mut operations = Vec::new();
    let mut rest = bytes;
    while let Some((head, tail)) = rest.split_first_chunk::<32>() {
        let number = |at: usize| -> Result<usize> {
            let bytes: [u8; 8] = head[at * 8..at * 8 + 8].try_into().context("eight bytes")?;
            usize::try_from(i64::from_le_bytes(bytes)).context("a number of the journal is negative")
        };
        let (path_length, length) = (number(2)?, number(3)?);
        if tail.len() < path_length + length {
            break;
        }
        let (path, tail) = tail.split_at(path_length);
        let (data, tail) = tail.split_at(length);
        let path = std::str::from_utf8(path).context("a path is text")?.to_owned();
        let offset = number(1)?;
        operations.push(match number(0)? {
            1 => Operation::Open { path, creates: offset & 1 != 0, truncates: offset & 2 != 0 },
            2 => Operation::Write { path, offset, bytes: data.to_vec() },
            3 => Operation::Sync { path },
            4 => Operation::Rename {
                from: path,
                to: String::from_utf8(data.to_vec()).context("a path is text")?,
            },
            5 => Operation::Truncate { path, length: offset },
            6 => Operation::Unlink { path },
            7 => Operation::SyncFailed { path },
            other => bail!("the journal has an operation {other}"),
        });
        rest = tail;
    }
    Ok(operations)
}

/// Files by name, with their bytes.
pub(crate) type Image = BTreeMap<String, Vec<u8>>;

/// A file's content: what is on the disk for certain, and what may be.
#[derive(Clone, Debug, Default)]
struct File {
    synced: Vec<u8>,
    pending: Vec<Piece>,
}

#[derive(Clone, Debug)]
enum Piece {
    Write(usize, Vec<u8>),
    Truncate(usize),
}

/// A change of names that its directory may not know yet.
#[derive(Clone, Debug)]
enum NameChange {
    Made(String, usize),
    Moved(String, String),
    Removed(String),
}

/// A disk under a process.
#[derive(Debug)]
pub(crate) struct Disk {
    directory: String,
    files: Vec<File>,
    /// Names as the process sees them.
    seen: BTreeMap<String, usize>,
    /// Names as the disk has them for certain.
    known: BTreeMap<String, usize>,
    changes: Vec<NameChange>,
    /// How many syncs there were.
    pub(crate) syncs: u64,
}

impl Disk {
    /// A disk that holds this image for certain.
    pub(crate) fn of(directory: &Path, image: &Image) -> Self {
        let files = image.values().map(|bytes| File { synced: bytes.clone(), pending: Vec::new() }).collect();
        let names: BTreeMap<String, usize> =
            image.keys().enumerate().map(|(number, name)| (name.clone(), number)).collect();
        let directory = directory.to_string_lossy().into_owned();
        Self { directory, files, seen: names.clone(), known: names, changes: Vec::new(), syncs: 0 }
    }

    /// Does what the process did.
    pub(crate) fn perform(&mut self, operation: &Operation) {
        match operation {
            Operation::Open { path, creates, truncates } => {
                if *creates && !self.seen.contains_key(path) && *path != self.directory {
                    self.files.push(File::default());
                    let number = self.files.len() - 1;
                    self.seen.insert(path.clone(), number);
                    self.changes.push(NameChange::Made(path.clone(), number));
                }
                if *truncates {
                    self.change(path, Piece::Truncate(0));
                }
            }
            Operation::Write { path, offset, bytes } => {
                self.change(path, Piece::Write(*offset, bytes.clone()))
            }
            Operation::Truncate { path, length } => self.change(path, Piece::Truncate(*length)),
            Operation::Sync { path } if *path == self.directory => {
                self.syncs += 1;
                self.known = self.seen.clone();
                self.changes.clear();
            }
            Operation::Sync { path } => {
                self.syncs += 1;
                if let Some(file) = self.seen.get(path).map(|number| &mut self.files[*number]) {
                    for piece in std::mem::take(&mut file.pending) {
                        apply(&mut file.synced, &piece);
                    }
                }
            }
            Operation::SyncFailed { path } => {
                // The kernel says it once, and then takes what it could not write for written: it is lost with the next stop.
                if let Some(number) = self.seen.get(path) {
                    self.files[*number].pending.clear();
                }
            }
            Operation::Rename { from, to } => {
                if let Some(number) = self.seen.remove(from) {
                    self.seen.insert(to.clone(), number);
                    self.changes.push(NameChange::Moved(from.clone(), to.clone()));
                }
            }
            Operation::Unlink { path } => {
                if self.seen.remove(path).is_some() {
                    self.changes.push(NameChange::Removed(path.clone()));
                }
            }
        }
    }

    fn change(&mut self, path: &str, piece: Piece) {
        if let Some(number) = self.seen.get(path) {
            self.files[*number].pending.push(piece);
        }
    }

    /// What is left after the power is cut.
    pub(crate) fn cut(&self, rng: &mut Rng) -> Image {
        let mut names = self.known.clone();
        // Names survive in their order: some of the last changes are lost.
        for change in &self.changes[..rng.usize(..=self.changes.len())] {
            match change {
                NameChange::Made(name, number) => drop(names.insert(name.clone(), *number)),
                NameChange::Moved(from, to) => {
                    if let Some(number) = names.remove(from) {
                        names.insert(to.clone(), number);
                    }
                }
                NameChange::Removed(name) => drop(names.remove(name)),
            }
        }
        names.into_iter().map(|(name, number)| (name, self.files[number].cut(rng))).collect()
    }
}

impl File {
    fn cut(&self, rng: &mut Rng) -> Vec<u8> {
        let mut bytes = self.synced.clone();
        match rng.u8(..4) {
            // Nothing came through.
            0 => {}
            // Everything up to some write came through, and that one in part.
            1 => {
                let whole = rng.usize(..=self.pending.len());
                self.pending[..whole].iter().for_each(|piece| apply(&mut bytes, piece));
                if let Some(Piece::Write(offset, data)) = self.pending.get(whole) {
                    let kept = rng.usize(..=data.len()) / SECTOR * SECTOR;
                    apply(&mut bytes, &Piece::Write(*offset, data[..kept].to_vec()));
                }
            }
            // Any sector of any write may have come through, singly or by pages.
            mode => {
                let step = if mode == 2 { SECTOR } else { SECTOR * PAGE_SECTORS };
                for piece in &self.pending {
                    match piece {
                        Piece::Truncate(_) => {
                            if rng.bool() {
                                apply(&mut bytes, piece);
                            }
                        }
                        Piece::Write(offset, data) => {
                            for (number, sector) in data.chunks(step).enumerate() {
                                if rng.bool() {
                                    apply(&mut bytes, &Piece::Write(offset + number * step, sector.to_vec()));
                                }
                            }
                        }
                    }
                }
            }
        }
        bytes
    }
}

fn apply(bytes: &mut Vec<u8>, piece: &Piece) {
    match piece {
        Piece::Truncate(length) => bytes.resize(*length, 0),
        Piece::Write(offset, data) => {
            let end = offset + data.len();
            if bytes.len() < end {
                bytes.resize(end, 0);
            }
            bytes[*offset..end].copy_from_slice(data);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const D: &str = "/d";

    fn write(path: &str, offset: usize, bytes: &[u8]) -> Operation {
        Operation::Write { path: path.to_owned(), offset, bytes: bytes.to_vec() }
    }

    fn sync(path: &str) -> Operation {
        Operation::Sync { path: path.to_owned() }
    }

    fn create(path: &str) -> Operation {
        Operation::Open { path: path.to_owned(), creates: true, truncates: false }
    }

    fn images(operations: &[Operation]) -> Vec<Image> {
        let mut disk = Disk::of(Path::new(D), &Image::from([("/d/a".to_owned(), vec![1; 2_048])]));
        operations.iter().for_each(|operation| disk.perform(operation));
        (0..200).map(|seed| disk.cut(&mut Rng::with_seed(seed))).collect()
    }

    #[test]
    fn what_was_synced_is_always_there_and_what_was_not_only_at_times() {
        let synced = images(&[write("/d/a", 512, &[2; 1_024]), sync("/d/a")]);
        assert!(synced.iter().all(|image| image["/d/a"][512..1_536] == [2; 1_024]));
        let open = images(&[write("/d/a", 512, &[2; 1_024])]);
        let kept = |image: &Image| image["/d/a"].iter().filter(|byte| **byte == 2).count();
        for part in [0, 512, 1_024] {
            assert!(open.iter().any(|image| kept(image) == part), "{part}");
        }
        assert!(open.iter().all(|image| kept(image) % 512 == 0));
    }

    #[test]
    fn what_a_failed_sync_was_to_write_down_is_lost_until_it_is_written_again() {
        let fails = Operation::SyncFailed { path: "/d/a".to_owned() };
        let lost = [write("/d/a", 0, &[2; 512]), fails, write("/d/a", 512, &[3; 512]), sync("/d/a")];
        assert!(images(&lost).iter().all(|image| image["/d/a"][..1_024] == [[1; 512], [3; 512]].concat()));
        let again = [&lost[..], &[write("/d/a", 0, &[2; 512]), sync("/d/a")]].concat();
        assert!(images(&again).iter().all(|image| image["/d/a"][..1_024] == [[2; 512], [3; 512]].concat()));
    }

    #[test]
    fn a_name_is_certain_only_when_its_directory_was_synced() {
        let made = [create("/d/b"), write("/d/b", 0, &[3; 10]), sync("/d/b")];
        let without = images(&made);
        assert!(without.iter().any(|image| image.contains_key("/d/b")));
        assert!(without.iter().any(|image| !image.contains_key("/d/b")));
        let with = images(&[&made[..], &[sync(D)]].concat());
        assert!(with.iter().all(|image| image["/d/b"] == [3; 10]));
        let moved = Operation::Rename { from: "/d/b".to_owned(), to: "/d/a".to_owned() };
        let replaced = images(&[&made[..], &[moved, sync(D)]].concat());
        assert!(replaced.iter().all(|image| image["/d/a"] == [3; 10] && image.len() == 1));
    }

    #[test]
    fn a_record_that_was_cut_off_is_none() {
        let record = |kind: i64, path: &str, data: &[u8]| {
            let head = [kind, 7, path.len() as i64, data.len() as i64];
            let mut bytes: Vec<u8> = head.iter().flat_map(|number| number.to_le_bytes()).collect();
            bytes.extend(path.as_bytes());
            bytes.extend(data);
            bytes
        };
        let mut journal = record(2, "/d/a", b"xyz");
        journal.extend(record(3, "/d/a", b""));
        let whole = read_journal(&journal).unwrap();
        assert_eq!(whole, [write("/d/a", 7, b"xyz"), sync("/d/a")]);
        for length in 0..journal.len() {
            let operations = read_journal(&journal[..length]).unwrap();
            assert_eq!(operations, whole[..operations.len()]);
        }
    }
}
