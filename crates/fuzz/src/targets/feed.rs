//! The revocation feed: what validators read of servers, and servers of validators.

use std::time::Duration;

use lydian_primitives::Timestamp;
use lydian_revocation::feed::{
    Batch, DigestValue, FeedEvent, FeedKind, Frame, FrameReader, LeaseGrant, LeaseRequest, Propagation,
    SnapshotReader, StreamPosition, ValidatorId,
};
use lydian_revocation::{Link, LogPosition, Seq};

use super::text_of;
use crate::outcome::Outcome;

/// Whatever is read is written the same way again, and read as the same value.
pub(crate) fn values(input: &[u8]) -> Outcome {
    let mut read = [false; 6];
    if let Ok(batch) = Batch::parse(input) {
        let mut text = String::new();
        batch.write(&mut text);
        assert_eq!(Batch::parse(text.as_bytes()), Ok(batch));
        read[0] = true;
    }
    if let Ok(request) = LeaseRequest::parse(input) {
        assert_eq!(LeaseRequest::parse(request.to_json().as_bytes()), Ok(request));
        read[1] = true;
    }
    if let Ok(grant) = LeaseGrant::parse(input) {
        assert_eq!(LeaseGrant::parse(grant.to_json().as_bytes()), Ok(grant));
        read[2] = true;
    }
    if let Ok(told) = Propagation::parse(input) {
        assert_eq!(Propagation::parse(told.to_json().as_bytes()), Ok(told));
        read[3] = true;
    }
    if let Some(position) = text_of(input).and_then(StreamPosition::parse) {
        assert_eq!(position.to_string().as_bytes(), input);
        read[4] = true;
    }
    // However it is cut into pieces, a stream says the same.
    let frames_of = |size: usize| {
        let (mut reader, mut frames) = (FrameReader::default(), Vec::new());
        let outcome =
            input.chunks(size.max(1)).try_for_each(|piece| reader.push(piece, |frame| frames.push(frame)));
        (outcome, frames)
    };
    assert_eq!(frames_of(input.len()), frames_of(7));
    let snapshot_of = |size: usize| {
        let (mut reader, mut events) = (SnapshotReader::default(), Vec::new());
        let outcome =
            input.chunks(size.max(1)).try_for_each(|piece| reader.push(piece, |event| events.push(event)));
        (outcome, events, reader.finish().map(|(header, _)| header))
    };
    let snapshot = snapshot_of(input.len());
    assert_eq!(snapshot, snapshot_of(5));
    read[5] = snapshot.2.is_ok();
    if read.contains(&true) { Outcome::accepted(read) } else { Outcome::refused(snapshot.0.err()) }
}

/// One value of each form.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let at = |seq| LogPosition { seq: Seq::from_number(seq), link: Link::from_bits(seq) };
    let event = |seq, kind| FeedEvent {
        seq: Seq::from_number(seq),
        kind,
        key: if FeedKind::has_key(kind) { 7 } else { 0 },
        until: Timestamp::from_unix_seconds(1_800_000_000),
    };
    let events = vec![event(2, FeedKind::Token), event(3, FeedKind::Realm)];
    let digest = Some(DigestValue { from_hour: 1, count: 2, xor: 3 });
    let mut batch = String::new();
    Batch { epoch: 1, after: at(1), through: at(4), digest, events }.write(&mut batch);
    let mut stream = String::from(": comment\n\n");
    Frame::write("1:4", &batch, &mut stream);
    let snapshot = "{\"epoch\":1,\"seq\":4,\"link\":\"0000000000000004\"}\n\
                    {\"count\":0,\"digest\":{\"from_hour\":1,\"count\":0,\"xor\":\"0000000000000000\"}}\n";
    let request = LeaseRequest { validator: ValidatorId(5), epoch: 1, applied: at(4) };
    let lease = Duration::from_secs(2);
    let grant = LeaseGrant { epoch: 1, head: at(4), last: Seq::from_number(3), lease };
    let told = Propagation { seq: Seq::from_number(4), connected: 1, applied: 1, lagging: Vec::new() };
    [batch, stream, snapshot.to_owned(), request.to_json(), grant.to_json(), told.to_json(), "1:4".to_owned()]
        .map(String::into_bytes)
        .to_vec()
}
