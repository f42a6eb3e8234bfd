package graph

import (
	"fmt"
	"strings"

	"vecmill/model/config"
	"vecmill/model/onnx"
)

// packed is what a graph of packed rows knows of its items, which lie one behind the other in each row.
type packed struct {
	segments onnx.Value // int64 [R, T]: the number of the item that a step belongs to, from 1 on; 0 between items
	firsts   onnx.Value // int64 [S]: where the first step of item 1, 2, ... is in [R*T]; what is behind the last item does not matter
}

// Packs fails, saying why, unless the class's items can lie one behind the other in rows under the options.
//
// Such a graph takes input_ids and position_ids [R, T], or input_values [R, N] that make T frames, and [packed]'s segments [R, T] and firsts [S]. What a
// class gives for every step it gives as [R, T, ...], what it gives for an item (logits of sequences, x-vectors, the pooler's states) as [S, ...].
func Packs(c *config.Config, o Options) error {
	why := ""
	switch {
	case c.Vision != nil:
		why = "pictures have a constant shape without it"
	case c.Audio != nil && c.Audio.AddAdapter:
		why = "config.json sets add_adapter, whose convolutions run across the clips of a row"
	case o.HFPadding:
		why = "packed rows have no padding to reproduce"
	case len(o.Inputs) > 0:
		why = "packed rows take no optional inputs, and " + strings.Join(o.Inputs, ", ") + " are asked for"
	}
	for _, name := range o.Outputs {
		if name == "attentions" || name == PastKeyValues || name == "cross_attentions" || c.Class == choiceClass {
			why = "the output " + name + " would be of rows, not of items"
		}
	}
	if why != "" {
		return fmt.Errorf("class %s cannot be packed: %s", c.Class, why)
	}
	return nil
}

// openPacked declares segments and firsts; steps is the name of the time axis.
func (n *net) openPacked(steps string) (segments onnx.Value) {
	n.packed.segments = n.Input("segments", onnx.Int64, n.batch, onnx.Dyn(steps))
	n.packed.firsts = n.Input("firsts", onnx.Int64, n.single)
	return n.packed.segments
}

// strangers says which pairs of steps belong to two items, Bool [R, 1, T, T]. What lies between items keeps its own company, so that no
// row of scores is masked altogether.
func (n *net) strangers(segments onnx.Value) onnx.Value {
	return n.Differ(n.Unsqueeze(segments, 1, 3), n.Unsqueeze(segments, 1, 2))
}

// packedMask is [net.audioMask] for packed rows.
func (n *net) packedMask(a *audio) {
	n.Scope("frame_mask")
	a.mask = n.Unsqueeze(n.Cast(n.Less(n.Int(0), n.packed.segments), onnx.Float32), 2)
	a.att.mask = n.Where(n.strangers(n.packed.segments), n.Scalar(negligible), n.Scalar(0))
}

// members says which steps belong to each item, float32 [S, R*T]; segments may leave out some of an item's own.
func (n *net) members(segments onnx.Value) onnx.Value {
	own := n.Gather(n.Reshape(n.packed.segments, -1), n.packed.firsts, 0)
	return n.Cast(n.Equal(n.Unsqueeze(own, 1), n.Unsqueeze(n.Reshape(segments, -1), 0)), onnx.Float32)
}

// segmentMean is the mean of x [R*T, width] over each item's members, [S, width]. An item without any gets zeros, not NaN.
func (n *net) segmentMean(members, x onnx.Value) onnx.Value {
	count := n.Max(n.Unsqueeze(n.ReduceSum(members, 1), 1), n.Scalar(1))
	return n.Div(n.MatMul(members, x), count)
}

// segmentStatistics is [net.statistics] over each item's frames of x [R, T, width], of which convolutions over frames have taken the last ones. An item
// that they leave no frame gets NaN.
func (n *net) segmentStatistics(x onnx.Value, width, lost int) onnx.Value {
	n.Scope("statistics")
	segments := n.packed.segments
	if lost > 0 { // a frame counts if the last that it was made of belongs to the same item
		none := n.Expand(n.Int(0), n.Concat(0, n.DimOf(segments, 0), n.Ints(lost)))
		ahead := n.Concat(1, n.Slice(segments, 1, lost, 1<<31), none)
		segments = n.Where(n.Differ(segments, ahead), n.Int(0), segments)
	}
	members := n.members(segments) // an item without frames: none, as its own number is nowhere left
	x = n.Reshape(x, -1, width)
	count := n.Unsqueeze(n.ReduceSum(members, 1), 1) // [S, 1]
	sum := n.MatMul(members, x)
	mean := n.Div(sum, n.Max(count, n.Scalar(1)))
	item := n.Max(n.Sub(n.Reshape(segments, -1), n.Int(1)), n.Int(0)) // of each frame; those that do not count have some item's
	off := n.Sub(x, n.Gather(mean, item, 0))
	square := n.MatMul(members, n.Mul(off, off))
	deviation := n.Op("Sqrt", []onnx.Value{n.Div(square, n.Max(n.Sub(count, n.Scalar(1)), n.Scalar(1)))})
	none := n.Div(count, count) // 1, or NaN without frames
	return n.Mul(n.Concat(1, mean, deviation), none)
}
