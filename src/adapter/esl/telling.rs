//! Telling: what a FreeSWITCH server is sent about a decision, in which order.

use std::sync::Arc;

use crate::adapter::esl::action::{Action, Order};
use crate::adapter::esl::config::{EslConfig, parse_all};
use crate::adapter::esl::counts::{EslServer, count};
use crate::adapter::esl::fields::{CALL, DECISION, Fields};
use crate::adapter::esl::link::{Client, Failure};
use crate::detect::Label;
use crate::engine::{BeepTimes, Decision, Stage};
use crate::wire::esl::{Command, Unsafe};

/// What is done, read once.
#[derive(Debug)]
pub(super) struct Plan {
    variables: bool,
    events: bool,
    session_events: bool,
    avmd: bool,
    act_on_corrections: bool,
    actions: Vec<(Label, Vec<Action>)>,
    start: Vec<Action>,
    stop: Vec<Action>,
}

/// Applications that the server does not have.
pub(super) type Missing = Vec<String>;

/// How telling ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// The call was there. `moved`: an action has taken it elsewhere.
    Here { moved: bool },
    /// The server has no such channel.
    Elsewhere,
}

impl From<Unsafe> for Failure {
    fn from(_: Unsafe) -> Self {
        Self::Unsafe
    }
}

/// Counts an action that failed, and tells it in the log. Who hangs up when all is told is nobody's fault.
fn failed(server: &EslServer, uuid: &str, action: &dyn std::fmt::Debug, failure: &Failure) {
    if failure.is_no_channel() {
        tracing::debug!(server = server.name, uuid, ?action, %failure, "an action for a call that is gone");
    } else {
        count(&server.action_failures);
        tracing::warn!(server = server.name, uuid, ?action, %failure, "an action failed");
    }
}

impl Plan {
    /// Settings that were validated.
    pub(super) fn new(config: &EslConfig) -> Result<Self, String> {
        let actions = config.actions.lists().map(|(label, lines)| Ok((label, parse_all(lines, &DECISION)?)));
        Ok(Self {
            variables: config.variables,
            events: config.events,
            session_events: config.session_events,
            avmd: config.avmd,
            act_on_corrections: config.act_on_corrections,
            actions: actions.collect::<Result<_, String>>()?,
            start: parse_all(&config.start, &CALL)?,
            stop: parse_all(&config.stop, &CALL)?,
        })
    }

    /// All applications that actions execute.
    pub(super) fn applications(&self) -> Vec<String> {
        let all = self.actions.iter().flat_map(|(_, actions)| actions).chain(&self.start).chain(&self.stop);
        let mut names = all.filter_map(Action::application).map(str::to_owned).collect::<Vec<_>>();
        names.sort();
        names.dedup();
        names
    }
}

/// One server, or one call's own connection.
#[derive(Debug, Clone)]
pub(super) struct Teller {
    pub(super) plan: Arc<Plan>,
    pub(super) client: Client,
    pub(super) server: Arc<EslServer>,
    /// Whether the connection belongs to the call's session.
    pub(super) own_session: bool,
    pub(super) missing: Arc<std::sync::Mutex<Missing>>,
}

impl Teller {
    /// Tells a decision about the call `uuid`: variables first, so that who hears an event finds them set; then events, and
    /// actions last, as they may take the call elsewhere.
    pub(super) async fn tell(&self, uuid: &str, decision: &Decision) -> Result<Told, Failure> {
        let fields = Fields::of_decision(uuid, &self.server.name, decision);
        let there = match variables(decision, &fields).as_slice() {
            set if self.plan.variables => self.client.api(&format!("uuid_setvar_multi {uuid} {}", set.join(";"))).await,
            _ => match self.client.api(&format!("uuid_exists {uuid}")).await {
                Ok(said) if said == "false" => return Ok(Told::Elsewhere),
                said => said,
            },
        };
        match there {
            Err(failure) if failure.is_no_channel() => return Ok(Told::Elsewhere),
            // A refusal of this kind, as of a user who may not, need not be one of the next.
            Err(Failure::Refused(said)) => tracing::warn!(server = self.server.name, uuid, said, "variables"),
            Err(failure) => return Err(failure),
            Ok(_) => {}
        }
        let beep = decision.times.beep.filter(|_| decision.stage != Stage::Provisional);
        if self.plan.events {
            self.event("answerd::result", uuid, &fields).await?;
            if beep.is_some() {
                self.event("answerd::beep", uuid, &fields).await?;
            }
        }
        if let Some(beep) = beep
            && self.plan.avmd
        {
            self.avmd(uuid, decision, beep).await?;
        }
        // Where the label stays, only the beep is new.
        let stays = decision.corrects == Some(decision.label);
        let (label_acts, beep_acts) = match decision.stage {
            Stage::Provisional => (false, false),
            Stage::Final => (true, true),
            Stage::Corrected => (self.plan.act_on_corrections && !stays, self.plan.act_on_corrections || stays),
        };
        let mut moved = false;
        let of = |wanted: Label| self.plan.actions.iter().filter(move |(label, _)| *label == wanted);
        let labels = of(decision.label).filter(|_| label_acts);
        let beeps = of(Label::Beep).filter(|_| beep_acts && beep.is_some() && decision.label != Label::Beep);
        for action in labels.chain(beeps).flat_map(|(_, actions)| actions) {
            self.act(action, &fields).await;
            moved |= action.moves_on();
        }
        count(&self.server.decisions);
        Ok(Told::Here { moved })
    }

    /// Begins the detection of a call.
    pub(super) async fn start(&self, uuid: &str) -> bool {
        count(&self.server.started);
        self.act_all(&self.plan.start, uuid).await
    }

    /// Ends the detection of a call.
    pub(super) async fn stop(&self, uuid: &str) -> bool {
        self.act_all(&self.plan.stop, uuid).await
    }

    async fn act_all(&self, actions: &[Action], uuid: &str) -> bool {
        let fields = Fields::of_call(uuid, &self.server.name);
        let mut good = true;
        for action in actions {
            good &= self.act(action, &fields).await;
        }
        good
    }

    /// Carries out an action; a failure is told in the log, and the next one follows.
    async fn act(&self, action: &Action, fields: &Fields) -> bool {
        let uuid = fields.get("uuid");
        if let Some(name) = action.application() {
            let missing = self.missing.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if missing.iter().any(|known| known == name) {
                drop(missing);
                let why = format!("the server has no application {name}: it would hang the call up");
                failed(&self.server, uuid, action, &Failure::Refused(why));
                return false;
            }
        }
        let result = match action.order(fields, self.own_session) {
            Ok(Order::Command(command)) => self.client.send(command).await,
            Ok(Order::Job(line)) => {
                // It may take long; what follows comes after it, and does not wait for its end.
                let begun = self.client.job(line.clone()).await;
                begun.map(|job| {
                    let (server, uuid) = (Arc::clone(&self.server), uuid.to_owned());
                    tokio::spawn(async move {
                        if let Err(failure) = job.result().await {
                            failed(&server, &uuid, &line, &failure);
                        }
                    });
                    String::new()
                })
            }
            Err(error) => Err(error.into()),
        };
        match result {
            Ok(_) => {
                count(&self.server.actions);
                true
            }
            Err(failure) => {
                failed(&self.server, uuid, action, &failure);
                false
            }
        }
    }

    /// Sends a CUSTOM event to those who listen to the server. With the header Unique-ID it would go into the session's queue
    /// instead, and on a bridged channel nowhere.
    async fn event(&self, subclass: &str, uuid: &str, fields: &Fields) -> Result<(), Failure> {
        let event = |name: &str| -> Result<Command, Unsafe> {
            let mut command = Command::custom_event(subclass)?.header(name, uuid)?;
            for (name, value) in fields.iter().filter(|(name, value)| *name != "uuid" && !value.is_empty()) {
                command = command.header(&header_name(name), value)?;
            }
            Ok(command)
        };
        self.passed("an event", self.client.send(event("Channel-UUID")?).await)?;
        if self.plan.session_events {
            self.passed("an event", self.client.send(event("Unique-ID")?).await)?;
        }
        Ok(())
    }

    /// As `mod_avmd` tells a beep: the variables first, the event into the session for a script's input callback, and to those
    /// who listen; then what `execute_on_avmd_beep` asks for.
    async fn avmd(&self, uuid: &str, decision: &Decision, beep: BeepTimes) -> Result<(), Failure> {
        for line in [
            format!("uuid_setvar {uuid} avmd_total_time [{}]", decision.times.decided_ms),
            format!("uuid_setvar {uuid} avmd_detect TRUE"),
        ] {
            self.passed("a variable", self.client.api(&line).await)?;
        }
        let headers = [
            ("Call-command", "avmd".to_owned()),
            ("Beep-Status", "DETECTED".to_owned()),
            ("Frequency", format!("{:.6}", beep.hz)),
            ("Frequency-variance", "0.000000".to_owned()),
            ("Amplitude", format!("{:.6}", 32_767.0 * 10_f64.powf(f64::from(beep.level_db) / 20.0))),
            ("Amplitude-variance", "0.000000".to_owned()),
            ("Detection-time", (decision.times.decided_ms.max(0) * 1_000).to_string()),
            ("Detector-resolution", "0".to_owned()),
            ("Detector-offset", "0".to_owned()),
            ("Detector-index", "0".to_owned()),
        ];
        let mut command = Command::custom_event("avmd::beep")?.header("Unique-ID", uuid)?;
        let mut argument = "Event-Name=CUSTOM,Event-Subclass=avmd::beep".to_owned();
        for (name, value) in &headers {
            command = command.header(name, value)?;
            argument.push_str(&format!(",{name}={value}"));
        }
        let parked = self.client.api(&format!("uuid_getvar {uuid} current_application")).await;
        self.passed("an event", self.client.send(command).await)?;
        // On a parked channel the session's queue is handed to the listeners.
        if parked.as_deref() != Ok("park") {
            self.passed("an event", self.execute(uuid, "event", &argument).await)?;
        }
        match self.client.api(&format!("uuid_getvar {uuid} execute_on_avmd_beep")).await {
            Ok(wanted) if !wanted.is_empty() && wanted != "_undef_" => {
                let (application, argument) = wanted.split_once([' ', ':']).unwrap_or((&wanted, ""));
                let argument = argument.trim_start_matches(':');
                self.passed("execute_on_avmd_beep", self.execute(uuid, application, argument).await)?;
            }
            _ => {}
        }
        Ok(())
    }

    async fn execute(&self, uuid: &str, application: &str, argument: &str) -> Result<String, Failure> {
        let uuid = if self.own_session { "" } else { uuid };
        self.client.send(Command::execute(uuid, application, argument, false)?).await
    }

    /// A refusal is told in the log, and the next step follows; without a connection none can.
    fn passed(&self, what: &str, result: Result<String, Failure>) -> Result<(), Failure> {
        match result {
            Ok(_) => Ok(()),
            Err(Failure::Gone) => Err(Failure::Gone),
            Err(failure) => {
                tracing::debug!(server = self.server.name, what, %failure, "refused");
                Ok(())
            }
        }
    }
}

/// Fields that the channel needs no variables for: what it knows itself, and what `answerd_result` tells.
const NO_VARIABLES: [&str; 5] = ["uuid", "server", "number", "label", "time"];

/// The variables of a decision, as `name=value`. Those that scripts of today look at are among them.
pub(super) fn variables(decision: &Decision, fields: &Fields) -> Vec<String> {
    let mut set = vec![format!("answerd_result={}", fields.get("label"))];
    for (name, value) in fields.iter().filter(|(name, value)| !NO_VARIABLES.contains(name) && !value.is_empty()) {
        set.push(format!("answerd_{name}={value}"));
    }
    if decision.stage != Stage::Provisional {
        set.push(format!("ai_voicemail_detected={}", decision.is_voicemail()));
    }
    set
}

/// `decided_ms` as the name of a header: `Answerd-Decided-Ms`.
fn header_name(field: &str) -> String {
    let mut name = "Answerd".to_owned();
    for word in field.split('_') {
        let (first, rest) = word.split_at(1.min(word.len()));
        name.push_str(&format!("-{}{rest}", first.to_ascii_uppercase()));
    }
    name
}
