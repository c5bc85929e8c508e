use std::time::Duration;

use lydian_primitives::{Timestamp, limits};
use proptest::prelude::*;

use super::*;
use crate::position::{Link, LogPosition, Seq};

fn events(after: u64) -> impl Strategy<Value = Vec<FeedEvent>> {
    let event = (1_u64..50, 0..FeedKind::ALL.len(), any::<u128>(), 0_u64..1 << 40);
    proptest::collection::vec(event, 0..20).prop_map(move |drafts| {
        let mut seq = after;
        let event = |(step, kind, key, until): (u64, usize, u128, u64)| {
            seq += step;
            let kind = FeedKind::ALL[kind];
            let key = if kind.has_key() { key } else { 0 };
            FeedEvent { seq: Seq::from_number(seq), kind, key, until: Timestamp::from_unix_seconds(until) }
        };
        drafts.into_iter().map(event).collect()
    })
}

fn position(seq: u64, link: u64) -> LogPosition {
    LogPosition { seq: Seq::from_number(seq), link: Link::from_bits(link) }
}

fn batch() -> impl Strategy<Value = Batch> {
    (0_u64..1 << 50).prop_flat_map(|after| {
        (any::<u32>(), events(after), any::<(u64, u64)>(), 0_u64..9, any::<Option<(u32, u32, u64)>>())
            .prop_map(move |(epoch, events, links, more, digest)| {
                let last = events.last().map_or(after, |event| event.seq.as_number());
                Batch {
                    epoch,
                    after: position(after, links.0),
                    through: position(last + more, links.1),
                    digest: digest.map(|(hour, count, xor)| DigestValue {
                        from_hour: u64::from(hour),
                        count: u64::from(count),
                        xor,
                    }),
                    events,
                }
            })
    })
}

fn written(batch: &Batch) -> String {
    let mut text = String::new();
    batch.write(&mut text);
    text
}

fn sample() -> Batch {
    let event = |seq, kind| FeedEvent {
        seq: Seq::from_number(seq),
        kind,
        key: 7,
        until: Timestamp::from_unix_seconds(1_800_000_000),
    };
    Batch {
        epoch: 1,
        after: position(10, 0xabc),
        through: position(15, 0xdef),
        digest: None,
        events: vec![event(11, FeedKind::Token), event(14, FeedKind::Grant)],
    }
}

proptest! {
    #[test]
    fn a_batch_reads_back_as_it_was_written(batch in batch()) {
        prop_assert_eq!(Batch::parse(written(&batch).as_bytes()), Ok(batch));
    }

    #[test]
    fn frames_read_back_in_whatever_pieces_they_come(batch in batch(), pieces in 1_usize..40) {
        let text = written(&batch);
        let mut stream = String::from(": hello\n\n");
        Frame::write("1:2", &text, &mut stream);
        Frame::write("1:3", &text, &mut stream);
        let (mut reader, mut frames) = (FrameReader::default(), Vec::new());
        for piece in stream.as_bytes().chunks(pieces) {
            reader.push(piece, |frame| frames.push(frame)).unwrap();
        }
        let frame = |id: &str| Frame { id: id.to_owned(), data: text.clone().into_bytes() };
        prop_assert_eq!(frames, [frame("1:2"), frame("1:3")]);
    }

    #[test]
    fn a_snapshot_reads_back_and_no_part_of_it_passes_for_all(events in events(0), cut in any::<prop::sample::Index>()) {
        let text = snapshot(&events);
        let mut reader = SnapshotReader::default();
        let mut found = Vec::new();
        reader.push(text.as_bytes(), |event| found.push(event)).unwrap();
        prop_assert_eq!(&found, &events);
        prop_assert_eq!(reader.finish().unwrap().0, header());
        let mut reader = SnapshotReader::default();
        let part = &text.as_bytes()[..cut.index(text.len())];
        prop_assert!(reader.push(part, |_| ()).is_err() || reader.finish().is_err());
    }

    #[test]
    fn requests_and_answers_of_leases_read_back(
        validator in any::<u128>(), epoch in any::<u32>(), seq in 0_u64..1 << 50, link in any::<u64>(), ms in 1_u64..60_001,
    ) {
        let request = LeaseRequest { validator: ValidatorId(validator), epoch, applied: position(seq, link) };
        prop_assert_eq!(LeaseRequest::parse(request.to_json().as_bytes()), Ok(request));
        let lease = Duration::from_millis(ms);
        let grant = LeaseGrant { epoch, head: position(seq, link), last: Seq::from_number(seq / 2), lease };
        prop_assert_eq!(LeaseGrant::parse(grant.to_json().as_bytes()), Ok(grant));
        let one = Lagging { validator: Some(ValidatorId(validator)), applied: Seq::from_number(seq), lease_ends_in: lease };
        let lagging = vec![one, Lagging { validator: None, ..one }];
        let told = Propagation { seq: Seq::from_number(seq), connected: 2, applied: 0, lagging };
        prop_assert_eq!(Propagation::parse(told.to_json().as_bytes()), Ok(told));
    }

    #[test]
    fn positions_read_back(epoch in any::<u32>(), seq in 0_u64..1 << 50) {
        let position = StreamPosition { epoch, seq: Seq::from_number(seq) };
        prop_assert_eq!(StreamPosition::parse(&position.to_string()), Some(position));
    }

    #[test]
    fn nothing_that_comes_makes_a_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Batch::parse(&bytes);
        let _ = LeaseRequest::parse(&bytes);
        let _ = LeaseGrant::parse(&bytes);
        let _ = Propagation::parse(&bytes);
        let _ = SnapshotReader::default().push(&bytes, |_| ());
        let _ = FrameReader::default().push(&bytes, |_| ());
    }
}

fn header() -> SnapshotHeader {
    SnapshotHeader { epoch: 1, position: position(1_000_000, 5) }
}

fn snapshot(events: &[FeedEvent]) -> String {
    let mut text = String::new();
    header().write(&mut text);
    let mut digest = ViewDigest::default();
    for event in events {
        event.write(None, &mut text);
        text.push('\n');
        digest.add(event);
    }
    SnapshotTrailer { count: events.len() as u64, digest: digest.value(3) }.write(&mut text);
    text
}

#[test]
fn a_batch_looks_like_this() {
    assert_eq!(
        written(&sample()),
        "{\"epoch\":1,\"after\":10,\"after_link\":\"0000000000000abc\",\"through\":15,\"link\":\"0000000000000def\",\
         \"events\":[{\"seq\":11,\"prev\":10,\"kind\":\"token\",\"key\":\"AAAAAAAAAAAAAAAAAAAABw\",\"until\":1800000000},\
         {\"seq\":14,\"prev\":11,\"kind\":\"grant\",\"key\":\"AAAAAAAAAAAAAAAAAAAABw\",\"until\":1800000000}]}"
    );
}

#[test]
fn what_is_not_exactly_a_batch_is_refused() {
    let good = written(&sample());
    let check = |from: &str, to: &str, error: FeedError| {
        assert!(good.contains(from), "{from}");
        assert_eq!(Batch::parse(good.replacen(from, to, 1).as_bytes()), Err(error), "{to}");
    };
    check("\"prev\":10", "\"prev\":9", FeedError::Order);
    check("\"prev\":11", "\"prev\":12", FeedError::Order);
    check("\"seq\":14", "\"seq\":16", FeedError::Order);
    check("\"seq\":11", "\"seq\":10", FeedError::Order);
    check("\"through\":15", "\"through\":13", FeedError::Order);
    check("\"kind\":\"token\"", "\"kind\":\"new\"", FeedError::Member("kind"));
    check("\"kind\":\"token\"", "\"kind\":\"realm\"", FeedError::Member("key"));
    check("AAAAAAAAAAAAAAAAAAAABw", "AAAAAAAAAAAAAAAAAAAABx", FeedError::Member("key"));
    check("0000000000000abc", "0000000000000ABC", FeedError::Member("after_link"));
    check("\"epoch\":1", "\"epoch\":4294967296", FeedError::Member("epoch"));
    check("\"epoch\":1", "\"epoch\":\"1\"", FeedError::Member("epoch"));
    check("\"through\":15", "\"through\":9007199254740992", FeedError::Member("through"));
    check("\"events\"", "\"event\"", FeedError::Member("events"));
    check("\"events\":[", "\"epoch\":1,\"events\":[", FeedError::Malformed);
    check("]}", "]", FeedError::Malformed);
    let long = format!("{good}{}", " ".repeat(limits::FEED_LINE_BYTES_MAX));
    assert_eq!(Batch::parse(long.as_bytes()), Err(FeedError::TooLong));
}

#[test]
fn positions_of_streams_are_two_plain_numbers() {
    for wrong in [
        "",
        ":",
        "1:",
        ":1",
        "1",
        "01:1",
        "1:01",
        "1:+1",
        "1:1:1",
        "4294967296:1",
        "1:9007199254740992",
        " 1:1",
    ] {
        assert_eq!(StreamPosition::parse(wrong), None, "{wrong}");
    }
}

#[test]
fn a_lease_is_never_granted_for_nothing_or_for_ever() {
    let grant = LeaseGrant {
        epoch: 1,
        head: position(9, 1),
        last: Seq::from_number(9),
        lease: Duration::from_millis(2_000),
    };
    let good = grant.to_json();
    for (from, to, error) in [
        ("2000", "0", FeedError::Member("lease_ms")),
        ("2000", "60001", FeedError::Member("lease_ms")),
        ("\"last\":9", "\"last\":10", FeedError::Order),
    ] {
        assert_eq!(LeaseGrant::parse(good.replace(from, to).as_bytes()), Err(error), "{to}");
    }
}

#[test]
fn a_line_without_end_is_refused_before_it_fills_the_memory() {
    let mut reader = FrameReader::default();
    let mut snapshot = SnapshotReader::default();
    let piece = [b'x'; 64 * 1024];
    let refused = |result: Result<(), FeedError>| result == Err(FeedError::TooLong);
    assert!((0..5).any(|_| refused(reader.push(&piece, |_| ()))));
    assert!((0..5).any(|_| refused(snapshot.push(&piece, |_| ()))));
}

#[test]
fn a_digest_shows_what_is_missing_added_or_altered_and_forgets_by_the_hour() {
    let event = |seq, key, until| FeedEvent {
        seq: Seq::from_number(seq),
        kind: FeedKind::Token,
        key,
        until: Timestamp::from_unix_seconds(until),
    };
    let of = |events: &[FeedEvent]| {
        let mut digest = ViewDigest::default();
        events.iter().for_each(|event| digest.add(event));
        digest
    };
    let all = [event(1, 5, 3_600), event(2, 6, 7_200), event(3, 7, 7_300)];
    let whole = of(&all).value(1);
    assert_eq!(whole.count, 3);
    assert_eq!(of(&[all[2], all[0], all[1]]).value(1), whole);
    assert_ne!(of(&all[..2]).value(1), whole);
    assert_ne!(of(&[all[0], all[1], event(3, 8, 7_300)]).value(1), whole);
    assert_ne!(of(&[all[0], all[1], event(4, 7, 7_300)]).value(1), whole);
    // Who forgot the first hour agrees with who did not, from the second hour on.
    let mut forgetful = of(&all);
    forgetful.forget_before(2);
    assert_ne!(forgetful.value(1), whole);
    assert_eq!(forgetful.value(2), of(&all[1..]).value(2));
    assert_eq!(ViewDigest::first_hour(Timestamp::from_unix_seconds(7_199)), 2);
}
