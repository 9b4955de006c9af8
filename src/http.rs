//! The HTTP layer: the whole route table on one screen, and what it takes to serve it.
//!
//! ```text
//! socket ─ Io ─ hyper ─ wire ─ tide: Around (who may come in) ─ routes ─> Sandbox
//! ```
//! Only this folder names tide, hyper and http-types. Endpoints read the request, call the core and shape the answer; the
//! core knows nothing of it. Every error becomes an answer in `refusal.rs`.

mod arriving;
mod attendance;
mod audit;
mod body;
mod context;
mod dialect;
mod download;
mod event_stream;
mod exposition;
mod file_target;
mod file_text;
mod form;
mod forward_proxy;
mod guard;
mod intake;
mod io;
mod json_body;
mod linger;
mod middleware;
mod negotiate;
mod outgoing;
mod port_proxy;
mod presence;
mod produced;
mod ranges;
mod read_ahead;
mod receive;
mod refusal;
mod request;
mod request_log;
mod respond;
mod route_table;
mod routes;
mod seats;
mod server;
mod sink;
mod stream_answer;
mod swagger;
mod target;
mod terminal_socket;
mod traffic;
mod tunnel_config;
mod upgraded;
mod watch_stream;
mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize};

use tide::http::Method;

use crate::codegen::Codegen;
use crate::config::Config;
use crate::mcp::{Leaving, Mcp, Settings as McpSettings};
use crate::metrics::Gauge;
use crate::runtime::Runtime;
use crate::sandbox::Sandbox;
use crate::underway::Underway;
use crate::upgrade::Upgrader;
use crate::view::{self, file as file_view, log_text, piece};
use context::{Context, Shared};
use port_proxy::PortProxy;
use route_table::RouteTable;
use routes::{
    archive, codegen, content_search, debug, docs, drives, environment, file_deeds, file_find, file_read,
    file_remove, file_search, file_write, image_archive, mcp, metrics, multipart, network, process,
    process_end, process_logs, process_start, process_stats, process_stdin, system, terminal, terminal_page,
    tree, upgrade, watch,
};
use seats::Seats;
use traffic::Traffic;
use wire::Application;

pub(crate) use context::Shutdown;
pub(crate) use server::{Listener, Server};
pub(crate) use tunnel_config::settings as tunnel_settings;

/// Which of the routes there are that are not always there.
#[derive(Debug, Clone, Copy)]
struct Extent {
    has_terminals: bool,
    /// The platform says that it is one of its development environments.
    is_development: bool,
}

/// Everything that can be asked of the daemon.
fn register(app: &mut tide::Server<Context>, extent: Extent) -> RouteTable {
    use Method::{Delete, Get, Head, Patch, Post, Put};
    let mut table = RouteTable::default();
    let t = &mut table;
    for method in [Get, Post, Put, Delete, Patch] {
        t.route(app, method, "/", system::welcome);
    }
    t.route(app, Get, "/health", system::health);
    t.route(app, Post, "/upgrade", upgrade::start);
    register_surroundings(t, app);
    t.route(app, Get, "/capabilities", system::capabilities);
    t.route(app, Get, "/metrics", metrics::get);
    t.route(app, Get, "/openapi.json", docs::openapi);
    t.route(app, Get, "/docs", docs::page);
    t.route(app, Get, "/swagger", docs::swagger_page);
    t.route(app, Get, "/swagger/index.html", docs::page);
    t.route(app, Get, "/swagger/doc.json", docs::swagger_document);
    t.route(app, Get, "/docs/docs.css", docs::file);
    t.route(app, Get, "/docs/docs.js", docs::file);
    t.route(app, Post, "/process", process_start::start);
    t.route(app, Get, "/process", process::list);
    t.route(app, Get, "/process/:id", process::get);
    t.route(app, Delete, "/process/:id", process_end::stop);
    t.route(app, Delete, "/process/:id/kill", process_end::kill);
    t.route(app, Get, "/process/:id/wait", process::wait);
    t.route(app, Get, "/process/:id/stats", process_stats::get);
    t.route(app, Get, "/process/:id/logs", process_logs::get);
    t.route(app, Get, "/process/:id/logs/stream", process_logs::stream);
    t.route(app, Post, "/process/:id/stdin", process_stdin::write);
    t.route(app, Delete, "/process/:id/stdin", process_stdin::close);
    register_files(t, app);
    register_network(t, app);
    if extent.has_terminals {
        register_terminals(t, app);
    }
    if extent.is_development {
        t.route(app, Get, "/debug/panic", debug::panic);
    }
    register_agents(t, app);
    register_image_archive(t, app);
    // HEAD says that the route exists and looks at nothing, like the known server; elsewhere it is no route.
    for pattern in ["/health", "/process", "/process/:id", "/process/:id/logs", "/process/:id/logs/stream"] {
        t.route(app, Head, pattern, |_request| async { Ok(respond::empty(200)) });
    }
    table.close_head(app);
    table
}

/// Terminals.
fn register_terminals(t: &mut RouteTable, app: &mut tide::Server<Context>) {
    use Method::{Get, Head};
    t.route(app, Get, "/terminal", terminal_page::page);
    t.route(app, Get, "/terminal/ws", terminal::socket);
    for path in terminal_page::paths() {
        t.route(app, Get, path, terminal_page::file);
    }
    for pattern in ["/terminal", "/terminal/ws"] {
        t.route(app, Head, pattern, |_request| async { Ok(respond::empty(200)) });
    }
}

/// What can be asked of what is around processes.
fn register_surroundings(t: &mut RouteTable, app: &mut tide::Server<Context>) {
    use Method::{Delete, Get, Head, Post};
    t.route(app, Post, "/environment/reload", environment::reload);
    t.route(app, Get, "/drives/mount", drives::list);
    t.route(app, Post, "/drives/mount", drives::mount);
    t.route(app, Delete, "/drives/mount/:file", drives::unmount);
    for pattern in ["/drives/mount", "/upgrade"] {
        t.route(app, Head, pattern, |_request| async { Ok(respond::empty(200)) });
    }
}

/// The archive of what was changed on top of the image. HEAD is as of `register`.
fn register_image_archive(t: &mut RouteTable, app: &mut tide::Server<Context>) {
    use Method::{Get, Head, Post};
    t.route(app, Get, "/archive/status", image_archive::status);
    t.route(app, Head, "/archive/status", |_request| async { Ok(respond::empty(200)) });
    t.route(app, Post, "/archive/export", image_archive::export);
    t.route(app, Post, "/archive/resume", image_archive::resume);
}

/// What can be asked of files. `:file` stands for the whole path behind it, whatever is in it (`file_target.rs`).
fn register_files(t: &mut RouteTable, app: &mut tide::Server<Context>) {
    use Method::{Delete, Get, Head, Post, Put};
    t.route(app, Get, "/filesystem/:file", file_read::get);
    t.route(app, Head, "/filesystem/:file", file_read::head);
    t.route(app, Put, "/filesystem/:file", file_write::put);
    t.route(app, Delete, "/filesystem/:file", file_remove::delete);
    t.route(app, Get, "/filesystem/tree/:file", tree::get);
    t.route(app, Head, "/filesystem/tree/:file", file_read::head);
    t.route(app, Put, "/filesystem/tree/:file", tree::put);
    t.route(app, Delete, "/filesystem/tree/:file", tree::delete);
    t.route(app, Get, "/filesystem-find/:file", file_find::get);
    t.route(app, Get, "/filesystem-search/:file", file_search::get);
    t.route(app, Get, "/filesystem-content-search/:file", content_search::get);
    for pattern in ["/filesystem-find/:file", "/filesystem-search/:file", "/filesystem-content-search/:file"]
    {
        t.route(app, Head, pattern, |_request| async { Ok(respond::empty(200)) });
    }
    t.route(app, Get, "/filesystem-stat/:file", file_deeds::get_stat);
    t.route(app, Get, "/watch/filesystem/:file", watch::get);
    t.route(app, Head, "/watch/filesystem/:file", |_request| async { Ok(respond::empty(200)) });
    t.route(app, Post, "/filesystem-copy", file_deeds::post_copy);
    t.route(app, Post, "/filesystem-move", file_deeds::post_move);
    t.route(app, Post, "/filesystem-symlink", file_deeds::post_symlink);
    t.route(app, Post, "/filesystem-chmod", file_deeds::post_chmod);
    t.route(app, Post, "/filesystem-chown", file_deeds::post_chown);
    t.route(app, Get, "/filesystem-archive/:file", archive::get);
    t.route(app, Put, "/filesystem-archive/:file", archive::put);
    t.route(app, Get, "/filesystem-multipart", multipart::list);
    t.route(app, Post, "/filesystem-multipart/initiate/:file", multipart::initiate);
    t.route(app, Put, "/filesystem-multipart/:id/part", multipart::put_part);
    t.route(app, Get, "/filesystem-multipart/:id/parts", multipart::parts);
    t.route(app, Post, "/filesystem-multipart/:id/complete", multipart::complete);
    t.route(app, Delete, "/filesystem-multipart/:id/abort", multipart::abort);
    for pattern in ["/filesystem-multipart", "/filesystem-multipart/:id/parts"] {
        t.route(app, Head, pattern, |_request| async { Ok(respond::empty(200)) });
    }
}

/// What can be asked of the network.
fn register_network(t: &mut RouteTable, app: &mut tide::Server<Context>) {
    use Method::{Delete, Get, Head, Post, Put};
    t.route(app, Put, "/network/tunnel/config", network::put_tunnel);
    t.route(app, Delete, "/network/tunnel", network::delete_tunnel);
    t.route(app, Get, "/network/process/:id/ports", network::ports);
    t.route(app, Post, "/network/process/:id/monitor", network::start_monitor);
    t.route(app, Delete, "/network/process/:id/monitor", network::stop_monitor);
    t.route(app, Head, "/network/process/:id/ports", |_request| async { Ok(respond::empty(200)) });
}

/// What agents ask for: tools, and changes that a model makes.
fn register_agents(t: &mut RouteTable, app: &mut tide::Server<Context>) {
    use Method::{Get, Head, Post, Put};
    t.route(app, Post, "/mcp", mcp::post);
    t.route(app, Get, "/mcp", mcp::get);
    t.route(app, Put, "/codegen/fastapply/:file", codegen::fastapply);
    t.route(app, Get, "/codegen/reranking/:file", codegen::reranking);
    t.route(app, Head, "/codegen/reranking/:file", |_request| async { Ok(respond::empty(200)) });
}

/// The application above a sandbox.
pub(crate) fn application(
    config: &Config,
    sandbox: Sandbox,
    (upgrader, runtime): (Arc<Upgrader>, Runtime),
    shutdown: Arc<Shutdown>,
) -> Application {
    // The routes are known only when they are registered, and the state only when they are known.
    let extent = Extent {
        has_terminals: config.terminals.is_enabled,
        is_development: sandbox.variable("BL_ENV").as_deref() == Some("dev"),
    };
    let without_routes = context(
        config,
        sandbox.clone(),
        (upgrader.clone(), runtime.clone()),
        shutdown.clone(),
        RouteTable::default(),
    );
    let routes = register(&mut tide::with_state(without_routes), extent);
    let mut server =
        tide::with_state(context(config, sandbox, (upgrader, runtime), shutdown.clone(), routes));
    server.with(middleware::Around);
    register(&mut server, extent);
    let links_max = config.bounds.connections_max.div_ceil(2);
    let ports = Arc::new(PortProxy::new(links_max, config.access.token.clone(), shutdown));
    Application { server, ports, logs_requests: config.request_log, changes: Underway::default() }
}

fn context(
    config: &Config,
    sandbox: Sandbox,
    (upgrader, runtime): (Arc<Upgrader>, Runtime),
    shutdown: Arc<Shutdown>,
    routes: RouteTable,
) -> Context {
    let codegen = Codegen::new(&config.codegen);
    let settings = McpSettings {
        keep_alive_disabled: config.keep_alive_disabled,
        inline_bytes_max: config.streams.inline_bytes_max,
        response_bytes_max: config.streams.response_bytes_max,
    };
    let leaving: Leaving = {
        let shutdown = shutdown.clone();
        Arc::new(move || Box::pin(shutdown.listen()))
    };
    let mcp = Mcp::new(sandbox.clone(), codegen.clone(), runtime.clone(), settings, leaving);
    Context::new(Shared {
        sandbox,
        codegen,
        mcp,
        runtime,
        upgrader,
        access: config.access.clone(),
        limits: config.limits.clone(),
        streams: config.streams.clone(),
        keep_alive_disabled: config.keep_alive_disabled,
        server_timing: config.server_timing,
        traffic: Arc::new(Traffic::new(&routes)),
        seats: Seats::new(config.bounds.connections_max),
        watches: Gauge::default(),
        routes,
        bodies: AtomicU64::new(0),
        followers_max: config.bounds.followers_max,
        followers: AtomicUsize::new(0),
        shutdown,
    })
}

/// A server of the application.
pub(crate) fn server(
    config: &Config,
    sandbox: Sandbox,
    upgrader: Arc<Upgrader>,
    runtime: Runtime,
    shutdown: Arc<Shutdown>,
) -> Server {
    let application = application(config, sandbox, (upgrader, runtime.clone()), shutdown.clone());
    Server::new(application, &config.limits, runtime, shutdown)
}
