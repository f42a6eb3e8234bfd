package checkpoint

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"

	"vecmill/model/checkpoint/pickle"
)

// legacyProtocol is the only version of torch's stream that ever was.
const legacyProtocol = 1001

// unpickleLegacy reads the stream that torch wrote before 1.6: pickles of a magic number, the protocol, facts about the machine, the
// state dict and the list of storage keys; then for each key the number of elements (int64) and the elements.
func unpickleLegacy(data []byte, r pickle.Resolver, found *torchResolver) (any, error) {
	found.legacy = true
	next := func(what string, r pickle.Resolver) (any, error) {
		v, n, err := pickle.Decode(data, r)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", what, err)
		}
		data = data[n:]
		return v, nil
	}
	magic, err := next("the magic number", pickle.Data{})
	if err != nil {
		return nil, err
	}
	if m, ok := magic.(*big.Int); !ok || m.Text(16) != "1950a86a20f9469cfc6c" {
		return nil, errors.New("it is a pickle, but not one of torch.save")
	}
	if v, err := next("the protocol", pickle.Data{}); err != nil {
		return nil, err
	} else if v != int64(legacyProtocol) {
		return nil, fmt.Errorf("its protocol is %v, not %d", v, legacyProtocol)
	}
	if _, err := next("the facts about the machine", pickle.Data{}); err != nil {
		return nil, err
	}
	root, err := next("the weights", r)
	if err != nil {
		return nil, err
	}
	keys, err := next("the storage keys", pickle.Data{})
	if err != nil {
		return nil, err
	}
	if err := found.fill(keys, data); err != nil {
		return nil, err
	}
	return root, nil
}

// fill gives the storages their bytes, which lie in the order of keys.
func (r *torchResolver) fill(keys any, data []byte) error {
	l, ok := keys.(*pickle.List)
	if !ok {
		return errors.New("the storage keys are not a list")
	}
	filled := map[string]bool{}
	for _, k := range l.Items {
		key, ok := k.(string)
		s := r.storages[key]
		if !ok || s == nil || filled[key] {
			return fmt.Errorf("the list of storages names %.64v, which is not one, or twice", k)
		}
		filled[key] = true
		if len(data) < 8 || int64(binary.LittleEndian.Uint64(data)) != s.numel {
			return fmt.Errorf("storage %s does not begin with its %d elements: truncated, or the pickle lies", key, s.numel)
		}
		data = data[8:]
		n := s.numel * s.dtype.size()
		if n > int64(len(data)) {
			return fmt.Errorf("storage %s needs %d bytes of %d that are left: truncated", key, n, len(data))
		}
		s.raw, data = data[:n:n], data[n:]
	}
	for key := range r.storages {
		if !filled[key] {
			return fmt.Errorf("storage %s is not in the file", key)
		}
	}
	if len(data) > 0 {
		return fmt.Errorf("%d bytes after the last storage belong to none", len(data))
	}
	return nil
}
