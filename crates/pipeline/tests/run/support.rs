//! A scripted world for runs: modules that answer, hold, fail or hang as a test says, and a run that is polled by hand. No clock, no thread, no sleep.

use std::collections::{BTreeMap, HashMap};
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use futures::channel::oneshot;
use pipeline::run::{
    CallFacts, CallOutcome, Event, Failure, Invocation, Invoke, Invoked, NotInvoked, Options, Program, Ran, run,
};
use pipeline::{Catalog, ModuleSignature, Plan, compile};
use serde_json::{Value, json};
use type_schema::{CType, Schema, encode, from_json, msgpack_to_json};

type Handler = Box<dyn Fn(&Value) -> Result<Value, &'static str> + Send + Sync>;

/// What a module does when it is called.
enum Behaviour {
    /// Answers at once: JSON of its output, or a code.
    Answer(Handler),
    /// Waits until the test answers.
    Hold,
}

/// A call that waits for the test.
struct Held {
    number: u64,
    module: String,
    input: Value,
    reply: oneshot::Sender<Result<Value, &'static str>>,
}

#[derive(Default)]
struct Inner {
    behaviours: HashMap<String, Behaviour>,
    types: HashMap<String, (Schema, Schema)>,
    held: Mutex<Vec<Held>>,
    seen: Mutex<Vec<Seen>>,
    lines: Mutex<Vec<String>>,
    in_flight: AtomicUsize,
    peak: AtomicUsize,
    dropped: Mutex<Vec<u64>>,
}

/// A call that was made.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    pub module: String,
    pub input: Value,
    pub among_many: bool,
}

/// Modules with what they do.
#[derive(Default)]
pub struct World {
    inner: Inner,
    modules: Vec<ModuleSignature>,
}

impl World {
    pub fn new() -> Self {
        Self::default()
    }

    /// A module that gives what `answer` makes of its input, or fails with a code.
    pub fn answers(
        mut self,
        name: &str,
        types: &str,
        answer: impl Fn(&Value) -> Result<Value, &'static str> + Send + Sync + 'static,
    ) -> Self {
        self.declare(name, types);
        self.inner.behaviours.insert(name.to_owned(), Behaviour::Answer(Box::new(answer)));
        self
    }

    /// A module that fails with a code.
    pub fn fails(self, name: &str, types: &str, code: &'static str) -> Self {
        self.answers(name, types, move |_| Err(code))
    }

    /// A module that answers when the test says so.
    pub fn holds(mut self, name: &str, types: &str) -> Self {
        self.declare(name, types);
        self.inner.behaviours.insert(name.to_owned(), Behaviour::Hold);
        self
    }

    fn declare(&mut self, name: &str, types: &str) {
        let (input, output) = types.split_once("->").expect("input -> output");
        let ctype = |text: &str| CType::parse(text).expect("a type");
        let (input, output) = (ctype(input), ctype(output));
        let schemas = (Schema::new(input.clone()).expect("a type"), Schema::new(output.clone()).expect("a type"));
        self.inner.types.insert(name.to_owned(), schemas);
        self.modules.push(ModuleSignature::new(name, input, output));
    }

    /// The plan of a source, which must check.
    pub fn plan(&self, source: &str) -> Plan {
        let compiled = compile(source, &Catalog::new(self.modules.clone()));
        let errors: Vec<_> =
            compiled.diagnostics.iter().map(|d| format!("{}: {} {:?}", d.code, d.message, d.span)).collect();
        compiled.plan.unwrap_or_else(|| panic!("{source}\n{errors:#?}"))
    }

    /// Begins a run.
    pub fn start(self, source: &str, inputs: Value) -> Running {
        self.start_with(source, inputs, Options::default())
    }

    pub fn start_with(self, source: &str, inputs: Value, options: Options) -> Running {
        let plan = self.plan(source);
        self.start_plan(plan, inputs, options)
    }

    pub fn start_plan(self, plan: Plan, inputs: Value, options: Options) -> Running {
        let input_type = plan.input_type();
        let inputs: Bytes =
            encode(&from_json(&inputs, &input_type).expect("inputs"), &input_type).expect("inputs").into();
        let plan = Arc::new(plan);
        let program = Program::new(Arc::clone(&plan)).expect("a sound plan");
        let script = Script(Arc::new(self.inner));
        let events = Arc::new(Mutex::new(Vec::new()));
        let (stop, stopped) = oneshot::channel::<Failure>();
        let (script_of_run, events_of_run) = (Script(Arc::clone(&script.0)), Arc::clone(&events));
        let future = Box::pin(async move {
            let stopped = async {
                match stopped.await {
                    Ok(failure) => failure,
                    Err(_) => pending().await,
                }
            };
            let observe = |event: Event<'_>| events_of_run.lock().unwrap().push(shown(&event));
            run(&program, inputs, &script_of_run, &options, stopped, observe).await
        });
        Running { future: Some(future), flag: Arc::default(), script, events, stop: Some(stop), plan, polls: 0 }
    }

    /// The JSON of all outputs of a run that nothing holds, or the code of its failure.
    pub fn outcome(self, source: &str, inputs: Value) -> Result<Value, String> {
        self.start(source, inputs).finish().map_err(|failure| failure.code)
    }
}

fn shown(event: &Event<'_>) -> String {
    match event {
        Event::CallStarted { site, number, bytes_in, .. } => format!("start @{} #{number} {bytes_in}B", site.0),
        Event::CallEnded { site, call } => {
            let outcome = match &call.outcome {
                CallOutcome::Succeeded => format!("{}B", call.bytes_out),
                CallOutcome::Failed(failure) => failure.code.to_string(),
                CallOutcome::Cancelled => "cancelled".to_owned(),
            };
            format!("end @{} #{} {outcome}", site.0, call.number)
        }
    }
}

#[derive(Clone)]
struct Script(Arc<Inner>);

/// Counts a call as in flight; one that is dropped before its answer is noted.
struct Flight<'s> {
    inner: &'s Inner,
    number: u64,
    answered: bool,
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        self.inner.in_flight.fetch_sub(1, Ordering::Relaxed);
        if !self.answered {
            self.inner.dropped.lock().unwrap().push(self.number);
            self.inner.held.lock().unwrap().retain(|held| held.number != self.number);
        }
    }
}

impl Invoke for Script {
    async fn invoke(&self, call: Invocation<'_>) -> Result<Invoked, NotInvoked> {
        let inner = &*self.0;
        let now = inner.in_flight.fetch_add(1, Ordering::Relaxed) + 1;
        inner.peak.fetch_max(now, Ordering::Relaxed);
        let mut flight = Flight { inner, number: call.number, answered: false };
        let name = call.module.name.to_string();
        let (input_type, output_type) = &inner.types[&name];
        let input = msgpack_to_json(&call.input, input_type).expect("an input of the module's type");
        let seen = Seen { module: name.clone(), input: input.clone(), among_many: call.among_many };
        inner.seen.lock().unwrap().push(seen);
        let answer = match &inner.behaviours[&name] {
            Behaviour::Answer(answer) => answer(&input),
            Behaviour::Hold => {
                let (reply, answer) = oneshot::channel();
                inner.held.lock().unwrap().push(Held { number: call.number, module: name.clone(), input, reply });
                match answer.await {
                    Ok(answer) => answer,
                    Err(_) => pending().await,
                }
            }
        };
        flight.answered = true;
        match answer {
            Ok(json) => {
                let ctype = output_type.ctype();
                let output = encode(&from_json(&json, ctype).expect("an output"), ctype).expect("an output").into();
                Ok(Invoked { output, facts: CallFacts { revision: 1, ..CallFacts::default() } })
            }
            Err(code) => Err(NotInvoked { failure: failure(code), facts: CallFacts::default() }),
        }
    }

    fn log(&self, line: &str) {
        self.0.lines.lock().unwrap().push(line.to_owned());
    }
}

/// A failure of a module with that code.
pub fn failure(code: &'static str) -> Failure {
    Failure {
        category: "UPSTREAM_ERROR".into(),
        code: code.into(),
        message: format!("the module says {code}"),
        origin: "module".into(),
        retryable: false,
        details: BTreeMap::new(),
    }
}

/// Why a run failed, in short.
#[derive(Debug, PartialEq, Eq)]
pub struct Failed {
    pub code: String,
    pub site: Option<u32>,
    pub module: Option<String>,
    pub span: Option<(u32, u32)>,
}

#[derive(Default)]
struct Flag {
    woken: AtomicBool,
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.woken.store(true, Ordering::Relaxed);
    }
}

/// A run that goes on only when it is polled.
pub struct Running {
    future: Option<Pin<Box<dyn Future<Output = Ran> + Send>>>,
    flag: Arc<Flag>,
    script: Script,
    events: Arc<Mutex<Vec<String>>>,
    stop: Option<oneshot::Sender<Failure>>,
    pub plan: Arc<Plan>,
    /// How often it was polled.
    pub polls: usize,
}

impl Running {
    /// Polls once.
    pub fn poll(&mut self) -> Option<Ran> {
        self.polls += 1;
        self.flag.woken.store(false, Ordering::Relaxed);
        let waker = Waker::from(Arc::clone(&self.flag));
        let future = self.future.as_mut().expect("the run has not ended");
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(ran) => {
                self.future = None;
                Some(ran)
            }
            Poll::Pending => None,
        }
    }

    /// Polls until the run has ended or waits for somebody.
    pub fn settle(&mut self) -> Option<Ran> {
        loop {
            if let Some(ran) = self.poll() {
                return Some(ran);
            }
            if !self.flag.woken.load(Ordering::Relaxed) {
                return None;
            }
        }
    }

    /// Polls until the run has ended, which it must.
    pub fn end(&mut self) -> Ran {
        self.settle().unwrap_or_else(|| panic!("the run waits for {:?}", self.held()))
    }

    /// The JSON of all outputs, or why not.
    pub fn finish(&mut self) -> Result<Value, Failed> {
        let ran = self.end();
        self.json(&ran)
    }

    pub fn json(&self, ran: &Ran) -> Result<Value, Failed> {
        match &ran.outcome {
            Ok(bytes) => {
                let schema = Schema::new(self.plan.output_type()).expect("a type");
                assert_eq!(schema.validate(bytes), Ok(type_schema::Layout::Canonical), "{bytes:?}");
                Ok(msgpack_to_json(bytes, &schema).expect("outputs of their types"))
            }
            Err(failed) => Err(Failed {
                code: failed.failure.code.to_string(),
                site: failed.site.map(|site| site.0),
                module: failed.module.as_ref().map(ToString::to_string),
                span: failed.span.map(|span| (span.start, span.end)),
            }),
        }
    }

    /// The calls that wait for an answer: module and input.
    pub fn held(&self) -> Vec<(String, Value)> {
        self.script.0.held.lock().unwrap().iter().map(|held| (held.module.clone(), held.input.clone())).collect()
    }

    /// Answers the first call of a module that waits.
    pub fn answer(&mut self, module: &str, answer: Result<Value, &'static str>) {
        let mut held = self.script.0.held.lock().unwrap();
        let at = held.iter().position(|held| held.module == module).unwrap_or_else(|| panic!("{module} is not called"));
        let held = held.remove(at);
        held.reply.send(answer).expect("the call still waits");
    }

    /// Answers the call of a module with that input.
    pub fn answer_to(&mut self, module: &str, input: &Value, answer: Result<Value, &'static str>) {
        let mut held = self.script.0.held.lock().unwrap();
        let at = held.iter().position(|held| held.module == module && held.input == *input).expect("such a call waits");
        let held = held.remove(at);
        held.reply.send(answer).expect("the call still waits");
    }

    pub fn stop(&mut self, failure: Failure) {
        self.stop.take().expect("stopped once").send(failure).expect("the run listens");
    }

    /// The modules that were called, in order.
    pub fn called(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.module).collect()
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.script.0.seen.lock().unwrap().clone()
    }

    /// What was logged.
    pub fn lines(&self) -> Vec<String> {
        self.script.0.lines.lock().unwrap().clone()
    }

    pub fn events(&self) -> Vec<String> {
        self.events.lock().unwrap().clone()
    }

    /// Calls in flight now, and the most that ever were.
    pub fn in_flight(&self) -> (usize, usize) {
        (self.script.0.in_flight.load(Ordering::Relaxed), self.script.0.peak.load(Ordering::Relaxed))
    }

    /// The numbers of the calls that were dropped before their answer.
    pub fn dropped(&self) -> Vec<u64> {
        self.script.0.dropped.lock().unwrap().clone()
    }
}

/// What an expression comes to, without modules: JSON, or a code.
pub fn value_of(expression: &str) -> Result<Value, String> {
    World::new().outcome(&format!("x = {expression}\nout x"), json!({})).map(|outputs| outputs["x"].clone())
}
