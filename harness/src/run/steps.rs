//! The steps of a case, one method an action.

use std::{collections::BTreeMap, thread, time::Duration};

use super::{OpenStream, Outcome, Run, check, perform};
use crate::{
    client::{ClientError, Connection, Deadline},
    conversation::{Answer, Conversation, View},
    fixture::{Action, AnswerWait, Mode, Part, Plan, Raw, Send, Show, Step, StreamWait},
    ground::Ground,
    render, site,
    stream::Asked,
};

/// How long a poll rests between two requests: short beside any process, long beside a request.
const POLL_PAUSE: Duration = Duration::from_millis(5);

impl Run<'_> {
    /// Takes a step. Never fails as such: what goes wrong is in the outcome.
    pub(super) fn step(&mut self, step: &Step) -> Outcome {
        let mut outcome =
            Outcome { title: render::title(step), lines: render::request_lines(step), ..Outcome::default() };
        let done = match &step.action {
            Action::Send(send) => self.send(send, step, &mut outcome),
            Action::Raw(raw) => self.raw(raw, step, &mut outcome),
            Action::Socket { plan, name } => self.open_socket((plan, name), step, &mut outcome),
            Action::Talk(talk) => self.talk(talk, step, &mut outcome),
            Action::Poll { plan, until } => self.poll(plan, until, step, &mut outcome),
            Action::Await { stream, until } => self.wait(stream, until, step, &mut outcome),
            Action::Finish { stream } => self.finish(stream, step, &mut outcome),
            Action::Disconnect { stream, reset } => self.disconnect(stream, *reset, step, &mut outcome),
            Action::Terminate { ends } => self.terminate(*ends, step),
            Action::Asked => self.asked(step, &mut outcome),
            Action::Release => self.stand_in().map(crate::stand_in::StandIn::release),
            Action::Kill(part) => self.kill(*part, step),
            Action::Join { background } => self.join(background, step, &mut outcome),
        };
        outcome.stop = done.err();
        outcome
    }

    fn send(&mut self, send: &Send, step: &Step, outcome: &mut Outcome) -> Result<(), String> {
        if send.repeat > 1 || send.parallel > 1 {
            return self.send_many(send, step, outcome);
        }
        let request = perform::request(&send.plan, self.target, &self.variables)?;
        if let Mode::Background { name } = &send.mode {
            let (target, within) = (self.target.clone(), step.within);
            let thread = thread::spawn(move || perform::whole(&request, &target, within));
            self.backgrounds.insert(name.clone(), thread);
            return Ok(());
        }
        let deadline = Deadline::within(step.within);
        let connection = match self.kept.take() {
            Some(kept) if send.keep_connection => kept,
            _ => Connection::open(self.target, &deadline).map_err(sentence)?,
        };
        let mut conversation =
            Conversation::begin(connection, &request, self.target, &deadline).map_err(sentence)?;
        if send.half_close {
            conversation.close_sending().map_err(sentence)?;
        }
        match &send.mode {
            Mode::Whole => {
                conversation.finish(&deadline).map_err(sentence)?;
                let (answer, connection) = conversation.into_answer();
                if send.keep_connection {
                    self.kept = Some(connection);
                }
                self.cleanup.note(&request, answer.view());
                self.show(&answer, step, (send.ordered, send.resumes.as_deref()), outcome)
            }
            Mode::Open { name, until } => {
                conversation.read_head(&deadline).map_err(sentence)?;
                if step.show == Show::Nothing && conversation.view().stream.is_none() {
                    // What is no stream has an end, and is looked at whole.
                    conversation.finish(&deadline).map_err(sentence)?;
                }
                if let Some(until) = until {
                    self.read_until(&mut conversation, until, &deadline)?;
                }
                self.cleanup.note(&request, conversation.view());
                if let Some(head) = conversation.view().head.filter(|_| step.show != Show::Nothing) {
                    outcome.lines.extend(render::head_lines(head, &step.show_headers, &mut self.normaliser));
                }
                self.look(conversation.view(), step, outcome)?;
                self.keep_stream(name, conversation, send);
                Ok(())
            }
            Mode::Unread { name } => {
                self.keep_stream(name, conversation, send);
                Ok(())
            }
            Mode::Background { .. } => Ok(()),
        }
    }

    fn keep_stream(&mut self, name: &str, conversation: Conversation, send: &Send) {
        let stream = OpenStream { conversation, ordered: send.ordered, resumes: send.resumes.clone() };
        self.streams.insert(name.to_owned(), stream);
    }

    fn send_many(&mut self, send: &Send, step: &Step, outcome: &mut Outcome) -> Result<(), String> {
        let mut requests = Vec::with_capacity(send.repeat);
        for number in 1..=send.repeat {
            let mut variables = self.variables.clone();
            variables.set("n", number.to_string());
            requests.push(perform::request(&send.plan, self.target, &variables)?);
        }
        let answers = perform::many(&requests, send.parallel, self.target, step.within);
        let mut kinds: BTreeMap<Vec<String>, usize> = BTreeMap::new();
        for (answer, request) in answers.into_iter().zip(&requests) {
            let answer = answer.map_err(sentence)?;
            self.cleanup.note(request, answer.view());
            let mut normaliser = self.normaliser.unnumbered();
            let lines = render::answer_lines(&answer, look(step, send.ordered, &[]), &mut normaliser);
            *kinds.entry(lines).or_default() += 1;
            for complaint in normaliser.take_complaints() {
                self.normaliser.complain(complaint);
            }
            self.judge(&answer, step, outcome)?;
        }
        for (lines, count) in kinds {
            outcome.lines.push(format!("{count} ×"));
            outcome.lines.extend(lines);
        }
        outcome.sentences.dedup();
        Ok(())
    }

    fn raw(&mut self, raw: &Raw, step: &Step, outcome: &mut Outcome) -> Result<(), String> {
        let deadline = Deadline::within(step.within);
        let mut connection = Connection::open(self.target, &deadline).map_err(sentence)?;
        let mut sent = String::new();
        for piece in &raw.pieces {
            let piece = self.variables.fill(piece)?;
            connection.write(piece.as_bytes(), &deadline).map_err(sentence)?;
            sent.push_str(&piece);
        }
        if raw.half_close {
            connection.close_sending().map_err(sentence)?;
        }
        let requests: Vec<_> = sent.lines().filter_map(request_line).collect();
        if let Some(name) = &raw.open {
            let (method, target) = requests.first().copied().unwrap_or(("GET", "/"));
            let conversation = Conversation::on(connection, Asked::new(method, target, None), deadline);
            self.streams.insert(name.clone(), OpenStream { conversation, ordered: false, resumes: None });
            return Ok(());
        }
        for number in 0..raw.answers {
            let (method, target) = requests.get(number).copied().unwrap_or(("GET", "/"));
            let asked = Asked::new(method, target, None);
            let mut conversation = Conversation::on(connection, asked, deadline);
            conversation.finish(&deadline).map_err(sentence)?;
            let (answer, rest) = conversation.into_answer();
            connection = rest;
            self.show(&answer, step, (false, None), outcome)?;
        }
        if raw.closes {
            if connection.read("the server to close the connection", &deadline).map_err(sentence)? {
                return Err("the server sent more, where it should have closed the connection".to_owned());
            }
            outcome.lines.push("< closed".to_owned());
        }
        Ok(())
    }

    fn poll(
        &mut self,
        plan: &Plan,
        until: &AnswerWait,
        step: &Step,
        outcome: &mut Outcome,
    ) -> Result<(), String> {
        let request = perform::request(plan, self.target, &self.variables)?;
        let until = until.fill(&self.variables)?;
        let deadline = Deadline::within(step.within);
        loop {
            let answer = perform::whole(&request, self.target, step.within).map_err(sentence)?;
            let fulfilled = until.holds(answer.view());
            if fulfilled || deadline.left("").is_err() {
                self.cleanup.note(&request, answer.view());
                self.show(&answer, step, (false, None), outcome)?;
                return if fulfilled { Ok(()) } else { Err(sentence(deadline.error(&until.to_string()))) };
            }
            pause();
        }
    }

    fn wait(
        &mut self,
        name: &str,
        until: &StreamWait,
        step: &Step,
        outcome: &mut Outcome,
    ) -> Result<(), String> {
        let mut stream = self.take_stream(name)?;
        let deadline = Deadline::within(step.within);
        self.read_until(&mut stream.conversation, until, &deadline)?;
        self.look(stream.conversation.view(), step, outcome)?;
        self.streams.insert(name.to_owned(), stream);
        Ok(())
    }

    fn read_until(
        &self,
        conversation: &mut Conversation,
        until: &StreamWait,
        deadline: &Deadline,
    ) -> Result<(), String> {
        let until = until.fill(&self.variables)?;
        let came = conversation
            .read_until(&until.to_string(), deadline, |log| until.holds(log))
            .map_err(sentence)?;
        if came { Ok(()) } else { Err(format!("the stream ended before: {until}")) }
    }

    fn finish(&mut self, name: &str, step: &Step, outcome: &mut Outcome) -> Result<(), String> {
        let mut stream = self.take_stream(name)?;
        stream.conversation.finish(&Deadline::within(step.within)).map_err(sentence)?;
        let (answer, _) = stream.conversation.into_answer();
        self.show(&answer, step, (stream.ordered, stream.resumes.as_deref()), outcome)
    }

    fn disconnect(
        &mut self,
        name: &str,
        reset: bool,
        step: &Step,
        outcome: &mut Outcome,
    ) -> Result<(), String> {
        if let Some(socket) = self.sockets.remove(name) {
            socket.close(reset);
            return Ok(());
        }
        let stream = self.take_stream(name)?;
        self.look(stream.conversation.view(), step, outcome)?;
        let (answer, connection) = stream.conversation.into_answer();
        connection.close(reset);
        if let Some(log) = &answer.stream {
            outcome.sentences.extend(log.broken().iter().cloned());
            let earlier = stream.resumes.and_then(|earlier| self.closed.remove(&earlier)).unwrap_or_default();
            self.closed.insert(name.to_owned(), log.behind(earlier));
        }
        Ok(())
    }

    fn join(&mut self, name: &str, step: &Step, outcome: &mut Outcome) -> Result<(), String> {
        let Some(thread) = self.backgrounds.remove(name) else {
            return Err(format!("nothing runs in the background as `{name}`"));
        };
        let answer = thread.join().expect("a request has no way to panic but a bug of the harness");
        self.show(&answer.map_err(sentence)?, step, (false, None), outcome)
    }

    fn stand_in(&self) -> Result<&crate::stand_in::StandIn, String> {
        let stand_in = self.home.ground.and_then(Ground::stand_in);
        stand_in.ok_or_else(|| "the fixture has no stand-in".to_owned())
    }

    fn asked(&mut self, step: &Step, outcome: &mut Outcome) -> Result<(), String> {
        let asked = self.stand_in()?.take_asked(step.within);
        if asked.is_empty() {
            return Err(format!("the stand-in was asked nothing within {} ms", step.within.as_millis()));
        }
        outcome.lines.extend(render::asked_lines(&asked, &mut self.normaliser));
        Ok(())
    }

    fn kill(&self, part: Part, step: &Step) -> Result<(), String> {
        match (self.home.process, part, self.home.kill_command) {
            (_, Part::Worker, Some(command)) => site::shell(command),
            (Some(process), part, _) => process.kill(part, step.within),
            _ => Err("only a server whose process is known can be killed".to_owned()),
        }
    }

    fn terminate(&self, ends: bool, step: &Step) -> Result<(), String> {
        let process = self
            .home
            .process
            .ok_or_else(|| "only a server whose process is known can be ended".to_owned())?;
        process.signal();
        if ends && !process.ends_within(step.within) {
            return Err(format!("the daemon didn't end within {} ms after SIGTERM", step.within.as_millis()));
        }
        Ok(())
    }

    fn take_stream(&mut self, name: &str) -> Result<OpenStream, String> {
        self.streams.remove(name).ok_or_else(|| format!("no stream is open as `{name}`"))
    }

    /// Writes an answer to the transcript and judges it.
    pub(super) fn show(
        &mut self,
        answer: &Answer,
        step: &Step,
        (ordered, resumes): (bool, Option<&str>),
        outcome: &mut Outcome,
    ) -> Result<(), String> {
        // First, so that the transcript can show captured values by their names.
        self.capture(answer.view(), step)?;
        let earlier = match resumes {
            Some(name) => self.closed.get(name).ok_or_else(|| format!("no stream was closed as `{name}`"))?,
            None => &Vec::new(),
        };
        let look = look(step, ordered, earlier);
        self.normaliser.keep_order(ordered);
        outcome.lines.extend(render::answer_lines(answer, look, &mut self.normaliser));
        self.judge(answer, step, outcome)
    }

    /// Everything about a whole answer that may be wrong.
    fn judge(&self, answer: &Answer, step: &Step, outcome: &mut Outcome) -> Result<(), String> {
        if answer.took < step.at_least {
            let (took, least) = (answer.took.as_millis(), step.at_least.as_millis());
            outcome.sentences.push(format!("the answer took {took} ms, expected: at least {least} ms"));
        }
        if let Some(log) = &answer.stream {
            outcome.sentences.extend(log.broken().iter().cloned());
        } else if answer.head.is_some() && (answer.ending == crate::client::Ending::Cut) != step.cut {
            let what = if step.cut { "the answer's body was not cut" } else { "the answer's body was cut" };
            outcome.sentences.push(what.to_owned());
        }
        self.expect(answer.view(), step, outcome)
    }

    /// Expectations and captures of an answer that may not be whole.
    fn look(&mut self, answer: View<'_>, step: &Step, outcome: &mut Outcome) -> Result<(), String> {
        self.expect(answer, step, outcome)?;
        self.capture(answer, step)
    }

    pub(super) fn expect(&self, answer: View<'_>, step: &Step, outcome: &mut Outcome) -> Result<(), String> {
        for expectation in &step.expect {
            outcome.sentences.extend(check::complaint(expectation, answer, &self.variables)?);
        }
        Ok(())
    }

    fn capture(&mut self, answer: View<'_>, step: &Step) -> Result<(), String> {
        for (name, from) in &step.capture {
            self.set(name, check::captured(from, answer)?);
        }
        Ok(())
    }
}

fn look<'a>(step: &'a Step, ordered: bool, earlier: &'a [crate::stream::Event]) -> render::Look<'a> {
    render::Look { show: &step.show, headers: &step.show_headers, ordered, earlier }
}

#[expect(clippy::needless_pass_by_value, reason = "made for map_err")]
fn sentence(error: ClientError) -> String {
    error.to_string()
}

/// Method and target, when a line is a request line.
fn request_line(line: &str) -> Option<(&str, &str)> {
    let (request, _) = line.split_once(" HTTP/1.")?;
    request.split_once(' ')
}

#[expect(
    clippy::disallowed_methods,
    reason = "a server has no event for its clients: a condition on it is polled"
)]
fn pause() {
    thread::sleep(POLL_PAUSE);
}
