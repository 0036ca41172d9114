//! A host with providers, on which scenarios are played. Every wait is bounded by the testkit's patience.

use std::collections::{BTreeSet, HashMap};
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use e2e::{Host, Language, Plane};
use futures::FutureExt as _;
use protocol::Error;
use protocol::generated::host::v1::SessionState;
use serde_json::{Value, json};
use testkit::{Client, Items, Output};
use tokio::task::JoinHandle;

use crate::expectation::{Values, ended, failed, same};
use crate::provider::{NAMESPACE, Provider};
use crate::scenario::{Expect, Failure, Scenario, Step};
use crate::{Outcome, said};

/// Answers that must be equal before a count is said to stand still.
const STILL: usize = 12;

/// A host and its providers.
#[derive(Debug)]
pub struct Stage {
    // Before the host, so that providers end first.
    providers: Vec<Provider>,
    calls: HashMap<String, Begun>,
    client: Client,
    language: Language,
    plane: Plane,
    replicated: bool,
    host: Host,
}

#[derive(Debug)]
enum Begun {
    Call(JoinHandle<Result<Output, Error>>),
    Stream(Box<Items>),
}

impl Stage {
    /// Starts what the scenario needs, and waits until it can be called.
    pub async fn set(language: Language, plane: Plane, scenario: &Scenario) -> Self {
        let settings: Vec<(&str, &str)> = scenario.settings.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let host = Host::start_with(&settings);
        let replicated = scenario.replicas > 1;
        let client = host.client();
        let (providers, calls) = (Vec::new(), HashMap::new());
        let mut stage = Self { providers, calls, client, language, plane, replicated, host };
        for _ in 0..scenario.replicas {
            stage.start();
        }
        stage.callable(scenario.replicas).await;
        stage
    }

    /// Plays all steps; the first that goes otherwise ends it.
    ///
    /// # Errors
    /// What went otherwise, with the number of the step.
    pub async fn play(&mut self, scenario: &Scenario) -> Outcome {
        for (index, step) in scenario.steps.iter().enumerate() {
            // A wait that is over panics; here that is an outcome like any other.
            let played = AssertUnwindSafe(self.step(step)).catch_unwind().await;
            let outcome = played.unwrap_or_else(|panic| Err(said(panic.as_ref())));
            outcome.map_err(|fault| {
                let output: String = self.providers.iter().map(Provider::output).collect();
                format!("step {}, {step:?}: {fault}\n{output}", index + 1)
            })?;
        }
        for (name, begun) in self.calls.drain() {
            if let Begun::Call(call) = begun {
                call.abort();
                return Err(format!("the scenario neither finishes nor leaves the call `{name}`"));
            }
        }
        Ok(())
    }

    fn start(&mut self) {
        let replica = self.replicated.then_some(self.providers.len() + 1);
        self.providers.push(Provider::launch(&self.host, self.language, self.plane, replica));
    }

    fn values(&self) -> Values {
        Values { pids: self.providers.iter().map(Provider::id).collect(), namespace: NAMESPACE.to_owned() }
    }

    async fn step(&mut self, step: &Step) -> Outcome {
        let values = self.values();
        match step {
            Step::Registered { module, input, output, capabilities } => {
                self.registered(module, input, output, capabilities).await
            }
            Step::Call { module, input, timeout_ms, output, error } => {
                let timeout = timeout_ms.map(Duration::from_millis);
                let answer = self.client.call_for(&qualified(module), values.json(input), timeout).await;
                let expect = Expect { output: output.clone(), error: error.clone() };
                ended(&values, &expect, &self.value_of(answer)?)
            }
            Step::Eventually { module, input, output } => {
                let (module, input, output) = (qualified(module), values.json(input), values.json(output));
                let client = &self.client;
                testkit::eventually(&format!("{module} to answer {output}"), || async {
                    let answer = client.call(&module, input.clone()).await;
                    answer.ok().and_then(|answer| same("output", &answer.value, &output).ok())
                })
                .await;
                Ok(())
            }
            Step::Begin { call, module, input, timeout_ms } => {
                let (client, module, input) = (self.client.clone(), qualified(module), values.json(input));
                let timeout = timeout_ms.map(Duration::from_millis);
                let begun = tokio::spawn(async move { client.call_for(&module, input, timeout).await });
                self.calls.insert(call.clone(), Begun::Call(begun));
                self.reached().await;
                Ok(())
            }
            Step::Finish { call, output, error } => {
                let Some(Begun::Call(begun)) = self.calls.remove(call) else {
                    return Err(format!("no call `{call}` was begun"));
                };
                let answer = begun.await.map_err(|error| format!("the call panicked: {error}"))?;
                let expect = Expect { output: output.clone(), error: error.clone() };
                ended(&values, &expect, &self.value_of(answer)?)
            }
            Step::Leave { call } => {
                match self.calls.remove(call).ok_or_else(|| format!("nothing `{call}` was begun"))? {
                    Begun::Call(call) => call.abort(),
                    Begun::Stream(items) => drop(items),
                }
                Ok(())
            }
            Step::Stream { module, input, timeout_ms, items, error } => {
                let timeout = timeout_ms.map(Duration::from_millis);
                let expected = items.as_deref().map(|items| values.json(items));
                self.stream(&qualified(module), values.json(input), timeout, expected, error.as_ref()).await
            }
            Step::Open { call, module, input } => {
                let items = self.client.stream(&qualified(module), values.json(input), None).await;
                let items = items.map_err(|error| format!("the stream does not begin: {error:?}"))?;
                self.calls.insert(call.clone(), Begun::Stream(Box::new(items)));
                Ok(())
            }
            Step::Read { call, items } => self.read(call, *items).await,
            Step::Drain { call, items } => {
                self.read(call, *items).await?;
                let Some(Begun::Stream(mut stream)) = self.calls.remove(call) else {
                    return Err(format!("no stream `{call}` was begun"));
                };
                match stream.next().await {
                    Ok(None) => Ok(()),
                    other => Err(format!("the end of the stream was expected, and {other:?} came")),
                }
            }
            Step::StandsStill { module, input, below } => {
                self.stands_still(&qualified(module), values.json(input), *below).await
            }
            Step::Batch { module, inputs, outputs, error } => {
                let Value::Array(inputs) = values.json(inputs) else {
                    return Err("`inputs` is no array".to_owned());
                };
                match (self.client.call_batch(&qualified(module), inputs).await, error) {
                    (Ok((answers, _)), None) => each_ended(&values, outputs, &answers),
                    (Err(error), Some(failure)) => failed(failure, &error),
                    (Ok(_), Some(failure)) => {
                        Err(format!("the batch was answered, and `{}` was expected", failure.code))
                    }
                    (Err(error), None) => Err(format!("the batch failed: {error:?}")),
                }
            }
            Step::Answered { by } => {
                let expected: BTreeSet<u64> =
                    by.iter().map(|replica| self.providers[replica - 1].id().into()).collect();
                self.answered(&expected).await
            }
            Step::Callable { replicas } => {
                self.callable(*replicas).await;
                Ok(())
            }
            Step::Kill { replica } => {
                self.providers[replica - 1].kill();
                Ok(())
            }
            Step::Terminate { replica } => {
                self.providers[replica - 1].signal_term();
                Ok(())
            }
            Step::Ended { replica } => {
                let status = self.providers[replica - 1].ended().await;
                if status.success() { Ok(()) } else { Err(format!("the provider ended with {status}")) }
            }
            Step::Start => {
                self.start();
                Ok(())
            }
            Step::RestartHost => {
                self.host.kill();
                self.host.restart();
                self.client = self.host.client();
                Ok(())
            }
        }
    }

    /// The value of an answer, which must have come by the plane of this stage.
    fn value_of(&self, answer: Result<Output, Error>) -> Result<Result<Value, Error>, String> {
        match answer {
            Ok(output) if output.info.plane() != self.plane.to_proto() => {
                Err(format!("the call went by {:?}", output.info.plane()))
            }
            Ok(output) => Ok(Ok(output.value)),
            Err(error) => Ok(Err(error)),
        }
    }

    /// Lets the call out that was spawned last, and then a few others on the same way. Each station of the way takes calls in
    /// turn, so the first one is with its handler when the last one is answered.
    async fn reached(&self) {
        tokio::task::yield_now().await;
        for _ in 0..4 {
            // Its answer does not matter, only that there is one.
            drop(self.client.call(&qualified("Inspect"), json!({})).await);
        }
    }

    async fn registered(&self, module: &str, input: &str, output: &str, capabilities: &[String]) -> Outcome {
        let module = self.client.get_module(&qualified(module)).await.map_err(|error| format!("{error:?}"))?;
        let found = module.capabilities.unwrap_or_default();
        let found: Vec<&str> = [(found.batch, "batch"), (found.idempotent, "idempotent"), (found.stream, "stream")]
            .into_iter()
            .filter_map(|(has, name)| has.then_some(name))
            .collect();
        let told = (module.input_text.as_str(), module.output_text.as_str(), found);
        let expected = (input, output, capabilities.iter().map(String::as_str).collect::<Vec<_>>());
        if told == expected { Ok(()) } else { Err(format!("{told:?} is registered, expected {expected:?}")) }
    }

    async fn stream(
        &self,
        module: &str,
        input: Value,
        timeout: Option<Duration>,
        expected: Option<Value>,
        failure: Option<&Failure>,
    ) -> Outcome {
        let mut items = Vec::new();
        let end = match self.client.stream(module, input, timeout).await {
            Err(error) => Err(error),
            Ok(mut stream) => loop {
                match stream.next().await {
                    Ok(Some(item)) => items.push(item),
                    Ok(None) => break Ok(()),
                    Err(error) => break Err(error),
                }
            },
        };
        if let Some(expected) = expected {
            let count = items.len();
            let compared = same("items", &Value::Array(items), &expected);
            compared.map_err(|fault| format!("{count} items came, and then {end:?}; {fault}"))?;
        }
        match (end, failure) {
            (Ok(()), None) => Ok(()),
            (Err(error), Some(failure)) => failed(failure, &error),
            (Ok(()), Some(failure)) => Err(format!("the stream ended well, and `{}` was expected", failure.code)),
            (Err(error), None) => Err(format!("the stream failed: {error:?}")),
        }
    }

    async fn read(&mut self, call: &str, items: usize) -> Outcome {
        let Some(Begun::Stream(stream)) = self.calls.get_mut(call) else {
            return Err(format!("no stream `{call}` was begun"));
        };
        for read in 0..items {
            match stream.next().await {
                Ok(Some(_)) => {}
                other => return Err(format!("after {read} of {items} items {other:?} came")),
            }
        }
        Ok(())
    }

    async fn stands_still(&self, module: &str, input: Value, below: i64) -> Outcome {
        let (mut last, mut equal) = (-1, 0);
        let client = &self.client;
        // A producer that does not stop reaches the bound and is told so; one that waits answers the same again and again.
        testkit::within("a count to stand still", async {
            while equal < STILL {
                let answer = client.call(module, input.clone()).await.map_err(|error| format!("{error:?}"))?;
                let count = answer.value.as_i64().ok_or("no count")?;
                if count >= below {
                    return Err(format!("the count is {count}, and was to stand still below {below}"));
                }
                equal = if count == last { equal + 1 } else { 0 };
                last = count;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Ok(())
        })
        .await
    }

    /// Calls at the same time: the replica with less to do is chosen.
    async fn answered(&self, expected: &BTreeSet<u64>) -> Outcome {
        let client = &self.client;
        testkit::eventually(&format!("answers of the processes {expected:?}"), || async {
            let calls: Vec<_> = (0..8)
                .map(|_| {
                    let client = client.clone();
                    tokio::spawn(async move { client.call(&qualified("Inspect"), json!({})).await })
                })
                .collect();
            let mut seen = BTreeSet::new();
            for call in calls {
                if let Ok(Ok(answer)) = call.await {
                    seen.extend(answer.value["pid"].as_u64());
                }
            }
            (seen == *expected).then_some(())
        })
        .await;
        Ok(())
    }

    async fn callable(&self, replicas: usize) {
        let what = format!("{replicas} providers that can be called");
        let counted = testkit::eventually(&what, || async {
            let module = self.client.get_module(&qualified("Inspect")).await;
            let ready = module.map_or(0, |module| {
                module.endpoints.iter().filter(|endpoint| endpoint.state() == SessionState::Ready).count()
            });
            (ready == replicas).then_some(())
        });
        match self.providers.last() {
            Some(provider) if replicas > 0 && self.providers.len() == replicas => tokio::select! {
                () = counted => {}
                () = provider.closed() => panic!("the provider ended before it could be called:\n{}", provider.output()),
            },
            _ => counted.await,
        }
    }
}

fn each_ended(values: &Values, expected: &[Expect], answers: &[Result<Value, Error>]) -> Outcome {
    if answers.len() != expected.len() {
        return Err(format!("{} outputs came, expected {}", answers.len(), expected.len()));
    }
    for (index, (answer, expect)) in answers.iter().zip(expected).enumerate() {
        ended(values, expect, answer).map_err(|fault| format!("element {index}: {fault}"))?;
    }
    Ok(())
}

fn qualified(module: &str) -> String {
    format!("{NAMESPACE}.{module}")
}
