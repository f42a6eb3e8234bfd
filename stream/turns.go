package stream

import "context"

// turns share the slots out among the partitions of an assignment: half of them belong to the partitions, to each as many, and half to whoever
// comes first. Finished records wait for the slow one before them and hold their slots: without turns one slow record would take all of them, and the
// other partitions would stand still with it.
type turns struct {
	own    map[Partition]chan struct{} // cap: the partition's own slots
	common chan struct{}               // cap: everybody's
}

func newTurns(slots int, parts []Partition) *turns {
	each := slots / (2 * max(len(parts), 1))
	t := &turns{own: make(map[Partition]chan struct{}, len(parts)), common: make(chan struct{}, slots-each*len(parts))}
	for _, p := range parts {
		t.own[p] = make(chan struct{}, each)
	}
	return t
}

// take waits for a turn of p, its own first. The turn is given back by receiving from it.
func (t *turns) take(ctx, over context.Context, p Partition) (<-chan struct{}, error) {
	own := t.own[p] // nil, and so never ready, for a partition that is not assigned: tracking it fails
	select {
	case own <- struct{}{}:
		return own, nil
	default:
	}
	select {
	case own <- struct{}{}:
		return own, nil
	case t.common <- struct{}{}:
		return t.common, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-over.Done():
		return nil, context.Canceled
	}
}
