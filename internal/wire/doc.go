// Package wire joins the rooms: it is the only package besides integration that knows every implementation. Its tables say which
// sources, outputs, dead-letter stores and preprocessors exist; adding one is one visible line.
//
// [Open] turns a validated configuration into a [Worker] and fails with a sentence a person can act on before anything is consumed;
// [Worker.Run] runs all pipelines until its context ends or one of them fails; shutdown follows I6: stop polling, settle, flush,
// commit, leave the group, close sessions, telemetry last.
package wire
