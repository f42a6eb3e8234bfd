package simulate

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"vecmill/schemas"
	"vecmill/sinks/pgvectorsink"
)

// table is the name of the output in a database.
const table = "table"

// session is one process's way to a server, the database or the catalog. It implements pgvectorsink.Server.
type session struct {
	w    *world
	p    *process
	down Outage // while it lasts, the server takes no connections
	mu   struct {
		sync.Mutex
		asked map[string]int64 // requests so far
	}
}

func newSession(w *world, p *process, down Outage) *session {
	s := &session{w: w, p: p, down: down}
	s.mu.asked = map[string]int64{}
	return s
}

// sinkOn opens the output.
func (w *world) sinkOn(p *process) (*pgvectorsink.Sink, error) {
	s := newSession(w, p, DatabaseDown)
	cfg := pgvectorsink.NewDefaultConfig()
	cfg.Table, cfg.Tasks, cfg.Dimension, cfg.ModelDigest = table, []schemas.Task{schemas.TaskEmbedding}, 1, modelDigest
	cfg.Deliver.BatchRows, cfg.Deliver.BatchAge, cfg.Deliver.MaxBuffered = w.plan.Pipeline.RollRows, w.plan.Pipeline.RollAge, w.plan.Pipeline.MaxBuffered
	cfg.Deliver.Retry, cfg.Deliver.Timeout, cfg.Writer = w.policy(uploadAttempts), databaseTimeout, p.name
	return pgvectorsink.OpenOn(cfg, s)
}

// databaseTimeout is for one try: longer than the server lets a lock be waited for, and shorter than it lets a silent client keep one.
const databaseTimeout = 20 * time.Second

// ask counts a request and gives its dice.
func (s *session) ask(what string) (*rand.Rand, string) {
	s.mu.Lock()
	n := s.mu.asked[what]
	s.mu.asked[what]++
	s.mu.Unlock()
	return s.w.d.of(s.p.name+" "+what, n), fmt.Sprintf("%s #%d", what, n)
}

// reach is the way to the server: it takes a while, and may fail.
func (s *session) reach(ctx context.Context, dice *rand.Rand) error {
	if err := s.p.sleep(ctx, s.w.latency(dice)); err != nil {
		return err
	}
	now := s.w.now()
	refused, cut := chance(dice, s.w.plan.Faults.SlowDown), chance(dice, s.w.plan.Faults.Reset)
	switch {
	case s.w.out(s.down) || refused && now < s.w.plan.Calm:
		return errRefused
	case cut && now < s.w.plan.Calm:
		return errCut
	}
	return nil
}

// Next implements pgvectorsink.Server.
func (s *session) Next(ctx context.Context, src schemas.SourceID) (next int64, known bool, err error) {
	dice, _ := s.ask("SELECT " + src.String())
	if err := s.reach(ctx, dice); err != nil {
		return 0, false, err
	}
	next, known = s.w.db.next(src)
	return next, known, s.p.sleep(ctx, s.w.latency(dice))
}

// Ranges implements pgvectorsink.Server.
func (s *session) Ranges(ctx context.Context, src schemas.SourceID, span schemas.Span) ([]schemas.Range, error) {
	dice, _ := s.ask("ranges of " + src.String())
	if err := s.reach(ctx, dice); err != nil {
		return nil, err
	}
	out := s.w.db.covering(src, span)
	return out, s.p.sleep(ctx, s.w.latency(dice))
}

// Rows implements pgvectorsink.Server.
func (s *session) Rows(ctx context.Context, r schemas.Range) (rows []schemas.Row, gone []int64, err error) {
	dice, _ := s.ask(fmt.Sprintf("rows of %s from %d on", r.Source, r.First))
	if err := s.reach(ctx, dice); err != nil {
		return nil, nil, err
	}
	rows, gone = s.w.db.wrote(r)
	return rows, gone, s.p.sleep(ctx, s.w.latency(dice))
}

// Close implements pgvectorsink.Server.
func (*session) Close() {}

// Put implements pgvectorsink.Server. A process that pauses in it keeps the lock until the server has enough; one that crashes gives it back when the server
// notices.
func (s *session) Put(ctx context.Context, src schemas.SourceID, left func(int64, bool) (schemas.Range, []schemas.Row, error)) error {
	dice, what := s.ask("COMMIT " + src.String())
	if err := s.reach(ctx, dice); err != nil {
		return err
	}
	tx, err := s.w.db.begin(ctx, src)
	if err != nil {
		s.p.tr.add(s.p.name, "%s: %v", what, err)
		return err
	}
	noticed := span(dice, 0, idleTimeout)
	sent := false
	defer func() {
		switch {
		case sent: // what becomes of it is decided
		case s.p.crashed():
			time.AfterFunc(noticed, tx.rollback)
		default:
			tx.rollback()
		}
	}()
	r, rows, err := left(tx.stands())
	if err != nil {
		return err
	}
	if r.Len() == 0 {
		s.p.tr.add(s.p.name, "%s: stored already", what)
		s.w.count(func(c *Coverage) { c.Stored++ })
		return nil
	}
	for range 3 { // COPY, INSERT, UPDATE
		if err := s.reach(ctx, dice); err != nil {
			return err
		}
	}
	if s.w.out(DiskFull) {
		return errNoSpace
	}
	what = fmt.Sprintf("%s [%d, %d)", what, r.First, r.Next)
	act := func() error {
		sent = true
		risk := s.risk(dice)
		return s.send(ctx, what, &risk, func() error { return s.land(tx, r, rows, what) }, tx.rollback)
	}
	return s.p.effect(what, chance(dice, 0.5), act, func() {
		sent = true
		_ = s.land(tx, r, rows, what) // nobody is there to learn of it
	})
}

// land has the server carry out a commit.
func (s *session) land(tx *transaction, r schemas.Range, rows []schemas.Row, what string) error {
	err := tx.commit(r, rows)
	s.p.tr.add(s.p.name, "%s lands: %v", what, err)
	return err
}

// risk is what becomes of a request that decides: it is carried out or not, now or later, and its answer arrives or not.
type risk struct {
	to, back   time.Duration // of the way to the server and from it
	lost, hung bool          // the answer: the connection breaks, or nothing comes
	carried    bool          // although there is no answer
	late       time.Duration // when it lands, or does not
}

func (s *session) risk(dice *rand.Rand) risk {
	r := risk{to: s.w.latency(dice), back: s.w.latency(dice)}
	r.lost, r.hung = chance(dice, s.w.plan.Faults.Reset), chance(dice, s.w.plan.Faults.Hang)
	r.carried, r.late = chance(dice, 0.6), span(dice, time.Millisecond, idleTimeout)
	if s.w.now() >= s.w.plan.Calm {
		r.lost, r.hung = false, false
	}
	return r
}

// send sends a request that land carries out. gone, if there is one, is what happens in its place if it never arrives.
func (s *session) send(ctx context.Context, what string, r *risk, land func() error, gone func()) error {
	if !r.carried && (r.lost || r.hung) {
		s.p.tr.add(s.p.name, "%s is lost", what)
		if gone != nil {
			time.AfterFunc(r.late, gone)
		}
		return s.silence(ctx, r.hung, r.back)
	}
	to := r.to
	if r.hung {
		to = r.late
	}
	answered := make(chan error, 1)
	time.AfterFunc(to, func() { answered <- land() })
	if r.hung || r.lost {
		return s.silence(ctx, r.hung, r.back)
	}
	select {
	case err := <-answered:
		if back := s.p.sleep(ctx, r.back); back != nil {
			return back
		}
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// silence is what a client sees of an answer that does not come: nothing until it gives up, or a connection that breaks.
func (s *session) silence(ctx context.Context, hung bool, after time.Duration) error {
	if hung {
		<-ctx.Done()
		return ctx.Err()
	}
	if err := s.p.sleep(ctx, after); err != nil {
		return err
	}
	return errCut
}
