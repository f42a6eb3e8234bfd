package parquetsink

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"vecmill/internal/retry"
	"vecmill/sinks"
	"vecmill/sinks/objectstore"
)

// drain uploads the closed files of a lane, one after the other (P3), until there are none.
func (s *Sink) drain(ctx context.Context, l *lane) {
	for {
		s.mu.Lock()
		if len(l.queue) == 0 {
			s.withdrawLocked(l)
			close(l.running)
			l.running = nil
			s.mu.Unlock()
			return
		}
		if l.turn == nil {
			l.turn = s.enrolLocked()
		}
		f, turn := l.queue[0], l.turn
		f.uploading = true
		s.mu.Unlock()

		err := s.uploadInTurn(ctx, turn, l, f)

		s.mu.Lock()
		s.withdrawLocked(l)
		var dones []func(error)
		var rolls []*roll
		switch {
		case l.err != nil: // given up meanwhile: Forget has settled everything else
			rolls, err = []*roll{f}, l.err
		case err != nil:
			dones, rolls = s.failLocked(l, err)
		default:
			l.queue = l.queue[1:]
			rolls = []*roll{f}
		}
		s.mu.Unlock()
		settle(dones, rolls, err)
	}
}

// enrolLocked takes a place in the line of uploads. Places follow the order in which files are closed, whatever goroutine runs first.
func (s *Sink) enrolLocked() (turn chan struct{}) {
	turn = make(chan struct{})
	s.mu.line = append(s.mu.line, turn)
	s.callLocked()
	return turn
}

// withdrawLocked gives up a lane's place, whether it was called or not.
func (s *Sink) withdrawLocked(l *lane) {
	if l.turn == nil {
		return
	}
	select {
	case <-l.turn:
		s.mu.uploading--
	default:
		s.mu.line = slices.DeleteFunc(s.mu.line, func(t chan struct{}) bool { return t == l.turn })
	}
	l.turn = nil
	s.callLocked()
}

// callLocked calls the next ones in the line, as many as may upload at one time.
func (s *Sink) callLocked() {
	for s.mu.uploading < s.cfg.Uploads && len(s.mu.line) > 0 {
		close(s.mu.line[0])
		s.mu.line = s.mu.line[1:]
		s.mu.uploading++
	}
}

// uploadInTurn uploads when the lane is called.
func (s *Sink) uploadInTurn(ctx context.Context, turn <-chan struct{}, l *lane, f *roll) error {
	select {
	case <-turn:
		return s.upload(ctx, l, f)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// upload makes the ranges of f durable: in one file, or in several if other writers have written parts of it, or if a day ends before them.
func (s *Sink) upload(ctx context.Context, l *lane, f *roll) error {
	for conflict := false; ; {
		at, rest := s.dropCovered(l, f)
		if len(rest) == 0 {
			return nil
		}
		if at.offset >= 0 && rest[0].r.First > at.offset {
			// Somebody began the chain elsewhere than we did. Only Resume can tell where to go on.
			return fmt.Errorf("%w: its files end at offset %d, and offset %d is the next one here", sinks.ErrFenced, at.offset, rest[0].r.First)
		}
		d := s.draft(l.src, at, rest, f.reason)
		winner, err := s.writeFile(ctx, l, d, conflict)
		if err != nil {
			return err
		}
		if winner != nil {
			conflict = true
			s.advance(l, f, winner.after(), 0) // P5: round again, behind the winner
			continue
		}
		s.advance(l, f, d.info.after(), d.entries)
	}
}

// dropCovered reports the entries that the chain covers already as durable, and gives the chain's end and the entries that remain.
func (s *Sink) dropCovered(l *lane, f *roll) (at place, rest []entry) {
	s.mu.Lock()
	n := 0
	for n < len(f.entries) && f.entries[n].r.Next <= l.at.offset {
		n++
	}
	dones, bytes := f.take(n)
	s.mu.memory.Free(bytes)
	at, rest = l.at, f.entries
	s.mu.Unlock()
	settle(dones, nil, nil)
	return at, rest
}

// advance moves the chain's end and reports n entries of f as durable. If the lane was given up meanwhile there is nobody to tell.
func (s *Sink) advance(l *lane, f *roll, at place, n int) {
	s.mu.Lock()
	l.at = at
	dones, bytes := f.take(min(n, len(f.entries)))
	s.mu.memory.Free(bytes)
	s.mu.Unlock()
	settle(dones, nil, nil)
}

// writeFile encodes a draft and creates the file under the one name it may have (P2). winner is the file that has the name already.
func (s *Sink) writeFile(ctx context.Context, l *lane, d draft, conflict bool) (winner *FileInfo, err error) {
	began := time.Now()
	info := d.info
	info.Format = s.cfg.Format
	info.Name = s.cfg.Layout.Name(s.cfg.Prefix, &info)
	info.Writer, info.Nonce, info.Created = s.cfg.Writer, s.nonce(), began.UTC()
	info.Metadata = s.cfg.Metadata
	body, err := s.encode(d.rows, &info, s.ratio.Guess(d.bytes))
	if err != nil {
		return nil, fmt.Errorf("encoding %s: %w", info.Name, err)
	}
	if winner, err = s.create(ctx, &info, body); err != nil {
		return nil, err
	}
	if winner != nil {
		if s.cfg.Observer != nil {
			s.cfg.Observer.NameLost(NameLost{Source: l.src, Name: info.Name, Winner: *winner})
		}
		return winner, nil
	}
	s.ratio.Learn(d.bytes, int64(len(body)))
	if s.cfg.Observer != nil {
		s.cfg.Observer.FileWritten(FileWritten{
			Source: l.src, Name: info.Name, Range: info.Range.Span, Rows: info.Rows, Bytes: int64(len(body)),
			Reason: d.reason, Duration: time.Since(began), Conflict: conflict,
		})
	}
	return nil, nil
}

// create makes the object exist with our content (nil, nil), or finds whose it is. An error of a PUT is not believed either way (P4).
func (s *Sink) create(ctx context.Context, info *FileInfo, body []byte) (winner *FileInfo, err error) {
	meta := info.objectMetadata()
	unsettled := error(nil) // the last PUT's error, while it is not known whether that PUT landed
	err = s.patiently(ctx, func(ctx context.Context) error {
		if unsettled == nil {
			if unsettled = s.cfg.Store.PutIfAbsent(ctx, info.Name, body, meta); unsettled == nil {
				return nil
			}
		}
		there, err := Stat(ctx, s.cfg.Store, info.Name)
		switch {
		case err == nil && there.Nonce == info.Nonce: // it had landed
			return nil
		case err == nil:
			if err := there.isAt(place{info.Range.First, info.Day}); err != nil {
				return err
			}
			winner = &there
			return nil
		case errors.Is(err, objectstore.ErrNotFound):
			err, unsettled = unsettled, nil // not there: the next try may write it
			return err
		}
		return fmt.Errorf("%w (after: %w)", err, unsettled)
	})
	return winner, err
}

// patiently retries what may succeed next time, each try under its own time-out.
func (s *Sink) patiently(ctx context.Context, f func(context.Context) error) error {
	permanent := func(err error) bool {
		return errors.Is(err, objectstore.ErrRefused) || errors.Is(err, ErrBrokenChain) || errors.Is(err, ErrOtherLayout) || errors.Is(err, ErrOtherFormat)
	}
	tries, err := retry.Do(ctx, s.cfg.Retry, permanent, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, s.cfg.PutTimeout)
		defer cancel()
		return f(ctx)
	})
	if err != nil && tries > 1 {
		return fmt.Errorf("%w (try %d)", err, tries)
	}
	return err
}

func (s *Sink) nonce() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.files++
	return fmt.Sprintf("%s-%d", s.writer, s.mu.files)
}
