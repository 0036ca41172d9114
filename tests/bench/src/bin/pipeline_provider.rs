//! The providers of `bench pipeline`. `fan N`: so many providers in one process, each with `Wait`, which waits so many milliseconds as
//! it is told. `forward N`: one provider with `Pass0`, `Pass1`…, which give their bytes back.

use std::time::Duration;

use modrack::{Module, ModuleError, Provider};
use tokio::task::JoinSet;

async fn wait(ms: i64) -> Result<i64, ModuleError> {
    tokio::time::sleep(Duration::from_millis(u64::try_from(ms).unwrap_or(0))).await;
    Ok(ms)
}

async fn pass(value: bytes::Bytes) -> Result<bytes::Bytes, ModuleError> {
    Ok(value)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let what = arguments.next().ok_or("say what to provide")?;
    let count: usize = arguments.next().ok_or("say how many")?.parse()?;
    match what.as_str() {
        "fan" => {
            let mut providers = JoinSet::new();
            for i in 0..count {
                providers.spawn(Provider::new(format!("bench_fan_{i}")).with_module(Module::new("Wait", wait)).run());
            }
            while let Some(ended) = providers.join_next().await {
                ended??;
            }
        }
        "forward" => {
            let of = |provider: Provider, i| provider.with_module(Module::new(format!("Pass{i}"), pass));
            (0..count).fold(Provider::new("bench_forward"), of).run().await?;
        }
        other => return Err(format!("`{other}` is neither `fan` nor `forward`").into()),
    }
    Ok(())
}
