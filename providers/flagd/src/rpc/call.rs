//! One evaluation: asked within its deadline, and again where that may help.

use std::time::Duration;

use kit::{Answer, Type, error};
use open_feature::{EvaluationContext, EvaluationError};
use proto::flagd::evaluation::v2::service_client::ServiceClient;
use proto::flagd::evaluation::v2::{
    ResolveBooleanRequest, ResolveFloatRequest, ResolveIntRequest, ResolveObjectRequest, ResolveStringRequest,
};
use tokio::time::{Instant, sleep, timeout_at};
use tonic::transport::Channel;
use tonic::{Code, Status};

use super::convert::{self, Parts};
use crate::backoff::Backoff;
use crate::options::Options;
use crate::server::{Server, describe};

/// How often one evaluation is asked at most (contract 11.2).
const ATTEMPTS: usize = 3;
/// What flagd says when a rule names a variant that does not exist; asking again gives the same.
const VERDICT: &str = "General error";

/// Asks the server.
#[derive(Debug)]
pub(super) struct Calls {
    client: ServiceClient<Channel>,
    deadline: Duration,
    backoff: Backoff,
}

impl Calls {
    pub(super) fn new(server: &Server, options: &Options) -> Self {
        Self {
            client: ServiceClient::new(server.channel.clone()),
            deadline: options.deadline,
            backoff: Backoff::new(options.retry_backoff, options.retry_backoff_max),
        }
    }

    /// Asks for one flag; asks again after an answer that may be better next time, as long as the deadline allows.
    pub(super) async fn ask(
        &self,
        server: &Server,
        key: &str,
        want: Type,
        context: &EvaluationContext,
    ) -> Result<Answer, EvaluationError> {
        let context = convert::encode(context)?;
        let due = Instant::now() + self.deadline;
        let mut backoff = self.backoff.clone();
        for attempt in 1.. {
            let asked = timeout_at(due, self.once(server, key, want, context.clone())).await;
            let status = match asked {
                Ok(Ok(parts)) => return convert::answer(parts),
                Ok(Err(status)) => status,
                Err(_) => break,
            };
            let wait = backoff.next();
            if attempt == ATTEMPTS || !is_passing(&status) || Instant::now() + wait >= due {
                return Err(refusal(server, key, want, &status));
            }
            sleep(wait).await;
        }
        Err(error::general(format!("{}: no answer for flag `{key}` within {:?}", server.name, self.deadline)))
    }

    async fn once(
        &self,
        server: &Server,
        key: &str,
        want: Type,
        context: prost::bytes::Bytes,
    ) -> Result<Parts, Status> {
        let (mut client, flag_key) = (self.client.clone(), key.to_owned());
        match want {
            Type::Bool => {
                let request = server.request(ResolveBooleanRequest { flag_key, context });
                client.resolve_boolean(request).await.map(|answer| answer.into_inner().into())
            }
            Type::String => {
                let request = server.request(ResolveStringRequest { flag_key, context });
                client.resolve_string(request).await.map(|answer| answer.into_inner().into())
            }
            Type::Int => {
                let request = server.request(ResolveIntRequest { flag_key, context });
                client.resolve_int(request).await.map(|answer| answer.into_inner().into())
            }
            Type::Float => {
                let request = server.request(ResolveFloatRequest { flag_key, context });
                client.resolve_float(request).await.map(|answer| answer.into_inner().into())
            }
            Type::Object => {
                let request = server.request(ResolveObjectRequest { flag_key, context });
                client.resolve_object(request).await.map(|answer| answer.into_inner().into())
            }
        }
    }
}

/// Whether the same question may be answered next time.
fn is_passing(status: &Status) -> bool {
    match status.code() {
        Code::Unavailable => true,
        Code::Unknown => status.message() != VERDICT,
        _ => false,
    }
}

/// What the server's refusal is to the SDK (contract 3.5).
fn refusal(server: &Server, key: &str, want: Type, status: &Status) -> EvaluationError {
    let said = describe(status);
    match status.code() {
        Code::NotFound => error::not_found(key),
        Code::InvalidArgument if status.message().contains("selector") => error::general(said),
        Code::InvalidArgument => error::unfit(format!("flag `{key}` has another type than {want}")),
        Code::DataLoss => error::parse(format!("flag `{key}`: its rule cannot be evaluated: {said}")),
        Code::Unimplemented => error::general(format!(
            "{}: {said}; the server does not offer flagd.evaluation.v2, check host and port",
            server.name
        )),
        _ => error::general(format!("{}: flag `{key}`: {said}", server.name)),
    }
}
