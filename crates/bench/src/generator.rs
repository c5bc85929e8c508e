//! The load generator: one thread, many connections, one request under way on each.
//!
//! It runs on another core than the server that it measures and must not be the slower of the two, so it does no
//! more per request than a write, a read and a look at the answer. There is no pipelining: a resource server that
//! asks about a token has nothing else to send on that connection until it knows. Start with [`run`].

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use mio::{Events, Interest, Poll, Token};

use crate::connection::{Connection, Endpoint, Reading};
use crate::limits::{CONNECTIONS_MAX, SILENCE_MAX, WRONG_ANSWERS_MAX};
use crate::machine::{OthersCpu, ProcessCpu, thread_cpu};
use crate::requests::Requests;
use crate::response::{self, Response};
use crate::schedule::Schedule;
use crate::statistics::Latencies;

/// When the next request is sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// Each connection sends when its last answer has come, for the whole of the round.
    Closed,
    /// The same, but each request is sent once and the round ends with the last answer; there is no warm-up.
    Once,
    /// So many requests per second, whatever the server does.
    Open {
        /// Requests per second over all connections.
        per_second: f64,
    },
}

/// One round of load.
#[derive(Clone, Copy, Debug)]
pub struct Load<'a> {
    /// Where the requests go.
    pub endpoint: &'a Endpoint,
    /// What is sent, from the first to the last and over again.
    pub requests: &'a Requests,
    /// Which request comes first, so that rounds do not all begin with the same ones.
    pub first_request: usize,
    /// How many connections there are.
    pub connections: usize,
    /// When requests are sent.
    pub pace: Pace,
    /// How long load runs before anything is recorded.
    pub warm_up: Duration,
    /// How long is recorded.
    pub measure: Duration,
    /// The process whose CPU time is read at both ends of the recorded time.
    pub server: Option<u32>,
}

impl<'a> Load<'a> {
    /// Each request once, as fast as the server answers.
    pub fn once(endpoint: &'a Endpoint, requests: &'a Requests, connections: usize) -> Self {
        Self {
            endpoint,
            requests,
            first_request: 0,
            connections,
            pace: Pace::Once,
            warm_up: Duration::ZERO,
            measure: Duration::ZERO,
            server: None,
        }
    }
}

/// What a round found.
#[derive(Clone, Debug)]
pub struct Round {
    /// Right answers in the recorded time.
    pub answers: u64,
    /// How long was recorded.
    pub elapsed: Duration,
    /// From the send (closed loop) or from the moment at which the request was due (open loop) to the answer.
    pub latencies: Latencies,
    /// CPU time of the server in the recorded time.
    pub server_cpu: Option<Duration>,
    /// CPU time of the generator in the recorded time.
    pub generator_cpu: Duration,
    /// CPU time that other programs took in the recorded time, on all cores.
    pub others_cpu: Option<Duration>,
    /// Answers that were not what was asked for, and requests without an answer.
    pub wrong: u64,
    /// What the first of them was.
    pub first_wrong: Option<String>,
    /// How often the server closed a connection after a right answer, and a new one was opened.
    pub reconnects: u64,
}

impl Round {
    /// Right answers per second.
    pub fn per_second(&self) -> f64 {
        self.answers as f64 / self.elapsed.as_secs_f64()
    }

    /// CPU time of the server per right answer, in microseconds.
    pub fn server_microseconds(&self) -> Option<f64> {
        self.server_cpu.map(|cpu| cpu.as_secs_f64() * 1e6 / self.answers as f64)
    }

    /// How much of one core the server used.
    pub fn server_share(&self) -> Option<f64> {
        self.server_cpu.map(|cpu| cpu.as_secs_f64() / self.elapsed.as_secs_f64())
    }

    /// How much of one core the generator used.
    pub fn generator_share(&self) -> f64 {
        self.generator_cpu.as_secs_f64() / self.elapsed.as_secs_f64()
    }

    /// How much of one core other programs used: what they take is missing from the figures.
    pub fn others_share(&self) -> Option<f64> {
        self.others_cpu.map(|cpu| cpu.as_secs_f64() / self.elapsed.as_secs_f64())
    }

    /// This round, or an error when any answer was wrong: errors never count as throughput.
    ///
    /// # Errors
    ///
    /// The first wrong answer.
    pub fn all_right(self) -> Result<Self> {
        if let Some(first) = &self.first_wrong {
            bail!("{} wrong answers, the first: {first}", self.wrong);
        }
        ensure!(self.answers > 0, "no answer came in the recorded time");
        Ok(self)
    }
}

/// Looks at each answer and says what is wrong with it.
pub trait Judge {
    /// Judges the answer to the request with this index.
    ///
    /// # Errors
    ///
    /// What is wrong with the answer, in words.
    fn judge(&mut self, request: usize, response: &Response<'_>) -> Result<(), String>;
}

impl<F: FnMut(usize, &Response<'_>) -> Result<(), String>> Judge for F {
    fn judge(&mut self, request: usize, response: &Response<'_>) -> Result<(), String> {
        self(request, response)
    }
}

/// Runs one round of load.
///
/// # Errors
///
/// The server cannot be reached, or its CPU time cannot be read. Wrong answers are not errors here: the round
/// counts them and [`Round::all_right`] refuses it.
pub fn run(load: &Load<'_>, judge: &mut (impl Judge + ?Sized)) -> Result<Round> {
    ensure!(!load.requests.is_empty(), "there is no request to send");
    ensure!((1..=CONNECTIONS_MAX).contains(&load.connections), "1 to {CONNECTIONS_MAX} connections");
    let mut generator = Generator::connect(load)?;
    let mut events = Events::with_capacity(load.connections);
    generator.send_what_is_due(Instant::now());
    while !generator.is_done() {
        match generator.poll.poll(&mut events, Some(generator.wait())) {
            Err(error) if error.kind() != ErrorKind::Interrupted => {
                return Err(error).context("wait for answers");
            }
            _ => {}
        }
        generator.open_window(Instant::now())?;
        for event in &events {
            let Token(slot) = event.token();
            generator.take_answer(slot, judge)?;
            generator.send_what_is_due(Instant::now());
        }
        let now = Instant::now();
        generator.close_window(now)?;
        generator.send_what_is_due(now);
    }
    generator.finish()
}

struct Slot {
    connection: Connection,
    /// The request under way, and the moment from which its latency counts.
    under_way: Option<(usize, Instant)>,
}

/// A whole response that a slot has received.
struct Answered {
    since: Instant,
    judgement: Result<(), String>,
    close: bool,
}

impl Slot {
    /// Reads what has arrived; `None` while the answer is not whole, an error when the connection is of no use.
    fn receive(&mut self, judge: &mut (impl Judge + ?Sized)) -> Result<Option<Answered>, String> {
        self.connection.flush().map_err(|error| format!("send: {error}"))?;
        loop {
            match self.connection.read() {
                Ok(Reading::Some) => {}
                Ok(Reading::Blocked) => return Ok(None),
                Ok(Reading::Closed) => return Err("the server closed the connection".to_owned()),
                Err(error) => return Err(format!("receive: {error}")),
            }
            let received = self.connection.received();
            if received.is_empty() {
                continue;
            }
            let Some((request, since)) = self.under_way else {
                return Err("the server sent bytes that nobody asked for".to_owned());
            };
            let Some(response) = response::parse(received).map_err(|malformed| malformed.to_string())? else {
                continue;
            };
            if response.length != received.len() {
                return Err("the server sent more than one response".to_owned());
            }
            let judgement = judge.judge(request, &response);
            let close = response.close;
            self.connection.forget_received();
            self.under_way = None;
            return Ok(Some(Answered { since, judgement, close }));
        }
    }
}

/// The recorded part of a round.
enum Window {
    Before,
    Recording { since: Instant, meters: Meters },
    After { elapsed: Duration, used: Used },
}

/// The counters of CPU time at one end of the recorded time.
struct Meters {
    server: Option<(ProcessCpu, OthersCpu)>,
    generator: Duration,
}

/// CPU time that was used in the recorded time.
#[derive(Clone, Copy, Default)]
struct Used {
    server: Option<Duration>,
    others: Option<Duration>,
    generator: Duration,
}

impl Meters {
    fn read(server: Option<u32>) -> Result<Self> {
        let both = |server| Ok::<_, anyhow::Error>((ProcessCpu::read(server)?, OthersCpu::read(server)?));
        Ok(Self { server: server.map(both).transpose()?, generator: thread_cpu() })
    }

    fn until(&self, later: &Self) -> Used {
        let both = self.server.as_ref().zip(later.server.as_ref());
        Used {
            server: both.map(|((server, _), (now, _))| server.until(now)),
            others: both.map(|((_, others), (_, now))| now.since(*others)),
            generator: later.generator.saturating_sub(self.generator),
        }
    }
}

struct Generator<'a> {
    load: &'a Load<'a>,
    poll: Poll,
    slots: Vec<Slot>,
    idle: VecDeque<usize>,
    started: Instant,
    last_answer: Instant,
    schedule: Option<Schedule>,
    sent: usize,
    stopped: bool,
    window: Window,
    answers: u64,
    latencies: Latencies,
    wrong: u64,
    first_wrong: Option<String>,
    reconnects: u64,
}

impl<'a> Generator<'a> {
    fn connect(load: &'a Load<'a>) -> Result<Self> {
        let poll = Poll::new().context("open the readiness queue")?;
        let mut slots = Vec::with_capacity(load.connections);
        for slot in 0..load.connections {
            let connection = open(load.endpoint, &poll, slot)?;
            slots.push(Slot { connection, under_way: None });
        }
        let schedule = match load.pace {
            Pace::Open { per_second } => {
                ensure!(per_second > 0.0, "a rate above zero");
                Some(Schedule::new(per_second, load.warm_up + load.measure))
            }
            Pace::Closed | Pace::Once => None,
        };
        let mut generator = Self {
            load,
            poll,
            idle: (0..slots.len()).collect(),
            slots,
            started: Instant::now(),
            last_answer: Instant::now(),
            schedule,
            sent: 0,
            stopped: false,
            window: Window::Before,
            answers: 0,
            latencies: Latencies::new(),
            wrong: 0,
            first_wrong: None,
            reconnects: 0,
        };
        generator.started = Instant::now();
        generator.open_window(generator.started)?;
        Ok(generator)
    }

    /// Begins to record when the warm-up is over.
    fn open_window(&mut self, now: Instant) -> Result<()> {
        if matches!(self.window, Window::Before) && now >= self.started + self.warm_up() {
            self.window = Window::Recording { since: now, meters: Meters::read(self.load.server)? };
        }
        Ok(())
    }

    /// Stops sending when all is sent or the time is over, and then ends the recording.
    fn close_window(&mut self, now: Instant) -> Result<()> {
        let Window::Recording { since, meters } = &self.window else { return Ok(()) };
        let all_sent = match (&self.schedule, self.load.pace) {
            (Some(schedule), _) => schedule.next_due().is_none(),
            (None, Pace::Once) => self.sent >= self.load.requests.len(),
            (None, _) => now - *since >= self.load.measure,
        };
        self.stopped |= all_sent || self.wrong >= WRONG_ANSWERS_MAX;
        // A closed loop is cut off in the middle of its flow; the others end with the last answer.
        let cut_off = self.load.pace == Pace::Closed;
        if self.stopped && (cut_off || self.idle.len() == self.slots.len()) {
            let used = meters.until(&Meters::read(self.load.server)?);
            self.window = Window::After { elapsed: now - *since, used };
        }
        Ok(())
    }

    fn warm_up(&self) -> Duration {
        if self.load.pace == Pace::Once { Duration::ZERO } else { self.load.warm_up }
    }

    fn send_what_is_due(&mut self, now: Instant) {
        while let Some(&slot) = self.idle.front() {
            let Some(since) = self.next_start(now) else { return };
            self.idle.pop_front();
            let request = (self.load.first_request + self.sent) % self.load.requests.len();
            self.sent += 1;
            self.slots[slot].under_way = Some((request, since));
            // A connection that broke is seen by the read that follows.
            if let Err(error) = self.slots[slot].connection.send(self.load.requests.at(request)) {
                self.count_wrong(|| format!("send: {error}"));
            }
        }
    }

    /// The moment from which the next request's latency counts, if one may be sent now.
    fn next_start(&mut self, now: Instant) -> Option<Instant> {
        if self.stopped {
            return None;
        }
        if let Some(schedule) = &mut self.schedule {
            return Some(self.started + schedule.take_due(now - self.started)?);
        }
        (self.load.pace != Pace::Once || self.sent < self.load.requests.len()).then_some(now)
    }

    /// How long readiness may be waited for.
    fn wait(&self) -> Duration {
        const LONGEST: Duration = Duration::from_millis(10);
        const GRANULARITY: Duration = Duration::from_millis(1);
        let Some(due) = self.schedule.as_ref().and_then(Schedule::next_due) else {
            return LONGEST;
        };
        if self.idle.is_empty() {
            return LONGEST;
        }
        // The queue sleeps in whole milliseconds: the last one before a request is due is spent asking again.
        let ahead = due.saturating_sub(self.started.elapsed());
        if ahead <= 2 * GRANULARITY { Duration::ZERO } else { (ahead - GRANULARITY).min(LONGEST) }
    }

    fn take_answer(&mut self, slot: usize, judge: &mut (impl Judge + ?Sized)) -> Result<()> {
        let answered = match self.slots[slot].receive(judge) {
            Ok(Some(answered)) => answered,
            Ok(None) => return Ok(()),
            Err(reason) => return self.reopen(slot, reason),
        };
        self.idle.push_back(slot);
        self.last_answer = Instant::now();
        match answered.judgement {
            Ok(()) => self.count_right(answered.since),
            Err(reason) => self.count_wrong(|| reason),
        }
        if answered.close {
            self.reconnects += 1;
            self.slots[slot].connection = open(self.load.endpoint, &self.poll, slot)?;
        }
        Ok(())
    }

    fn count_right(&mut self, since: Instant) {
        let recorded = match self.window {
            Window::Recording { .. } => self.schedule.is_none() || since >= self.started + self.load.warm_up,
            Window::Before | Window::After { .. } => false,
        };
        if recorded {
            self.answers += 1;
            self.latencies.record(self.last_answer - since);
        }
    }

    fn count_wrong(&mut self, reason: impl FnOnce() -> String) {
        self.wrong += 1;
        self.first_wrong.get_or_insert_with(reason);
    }

    /// Counts what went wrong on a connection and replaces it.
    fn reopen(&mut self, slot: usize, reason: String) -> Result<()> {
        self.count_wrong(|| reason);
        if self.slots[slot].under_way.take().is_some() {
            self.idle.push_back(slot);
        }
        if self.wrong < WRONG_ANSWERS_MAX {
            self.slots[slot].connection = open(self.load.endpoint, &self.poll, slot)?;
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        let all_answered = self.idle.len() == self.slots.len();
        let silent = !all_answered && self.last_answer.elapsed() > SILENCE_MAX;
        let window_closed = matches!(self.window, Window::After { .. });
        let hopeless = self.wrong >= WRONG_ANSWERS_MAX;
        (self.stopped && all_answered && window_closed) || silent || hopeless
    }

    fn finish(mut self) -> Result<Round> {
        let unanswered = self.slots.len() - self.idle.len();
        for _ in 0..unanswered {
            self.count_wrong(|| "no answer came in time".to_owned());
        }
        let (elapsed, used) = match self.window {
            Window::After { elapsed, used } => (elapsed, used),
            Window::Before | Window::Recording { .. } => (self.started.elapsed(), Used::default()),
        };
        Ok(Round {
            answers: self.answers,
            elapsed,
            latencies: self.latencies,
            server_cpu: used.server,
            generator_cpu: used.generator,
            others_cpu: used.others,
            wrong: self.wrong,
            first_wrong: self.first_wrong,
            reconnects: self.reconnects,
        })
    }
}

fn open(endpoint: &Endpoint, poll: &Poll, slot: usize) -> Result<Connection> {
    let mut connection = Connection::open(endpoint)?;
    poll.registry()
        .register(&mut connection.socket, Token(slot), Interest::READABLE | Interest::WRITABLE)
        .context("watch a connection")?;
    Ok(connection)
}

#[cfg(test)]
mod tests;
