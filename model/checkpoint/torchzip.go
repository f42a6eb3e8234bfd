package checkpoint

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"strings"

	"vecmill/model/checkpoint/pickle"
)

// torchMembers bounds the members of a torch archive: one for each storage, and a handful besides.
const torchMembers = 1 << 20

// parseTorch reads a whole file of torch.save that holds weights alone, and returns its tensors, which alias data.
func parseTorch(data []byte) ([]Tensor, error) {
	r := &torchResolver{storages: map[string]*storage{}}
	root, err := unpickleTorch(data, r, r)
	if err != nil {
		return nil, err
	}
	return stateDict(root)
}

// unpickleTorch reads what torch.save saved, of either layout. r gives meaning to the pickle; the storages that it finds are collected in s
// and filled with bytes of data.
func unpickleTorch(data []byte, r pickle.Resolver, s *torchResolver) (any, error) {
	switch {
	case bytes.HasPrefix(data, []byte("PK")):
		return unpickleZip(data, r, s)
	case len(data) > 262 && string(data[257:262]) == "ustar":
		return nil, errors.New("it is a tar archive, the layout of torch before 0.1.10: save it again with a newer torch")
	case bytes.HasPrefix(data, []byte{0x80}):
		return unpickleLegacy(data, r, s)
	}
	return nil, errors.New("it is neither a torch archive nor a torch pickle: truncated, or not a weight file")
}

// unpickleZip reads the archive that torch writes since 1.6: PREFIX/data.pkl, PREFIX/data/KEY for each storage, all stored without compression.
func unpickleZip(data []byte, r pickle.Resolver, found *torchResolver) (any, error) {
	members, prefix, err := torchArchive(data)
	if err != nil {
		return nil, err
	}
	if order, err := members.bytes(data, prefix+"byteorder"); err == nil && string(order) != "little" {
		return nil, fmt.Errorf("its byte order is %.16q; only little is read", order)
	}
	p, err := members.bytes(data, prefix+"data.pkl")
	if err != nil {
		return nil, err
	}
	root, _, err := pickle.Decode(p, r)
	if err != nil {
		return nil, fmt.Errorf("reading data.pkl: %w", err)
	}
	for key, s := range found.storages {
		if s.raw, err = members.bytes(data, prefix+"data/"+key); err != nil {
			return nil, err
		}
		if want := s.numel * s.dtype.size(); int64(len(s.raw)) != want {
			return nil, fmt.Errorf("storage %s has %d bytes where its %d elements of %s need %d", key, len(s.raw), s.numel, s.dtype, want)
		}
	}
	return root, nil
}

// archive is the members of a zip file by name.
type archive map[string]*zip.File

// torchArchive lists the members and finds the directory that all of them lie in, with its slash.
func torchArchive(data []byte) (archive, string, error) {
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, "", fmt.Errorf("reading the archive's directory: truncated, or not an archive: %w", err)
	}
	if len(z.File) > torchMembers {
		return nil, "", fmt.Errorf("the archive has %d members", len(z.File))
	}
	members, prefix := archive{}, ""
	for _, f := range z.File {
		if members[f.Name] != nil {
			return nil, "", fmt.Errorf("the archive holds %.64q twice", f.Name)
		}
		members[f.Name] = f
		if p, ok := strings.CutSuffix(f.Name, "data.pkl"); ok && (p == "" || strings.Count(p, "/") == 1 && p[len(p)-1] == '/') {
			prefix = p
		}
	}
	if members[prefix+"data.pkl"] == nil {
		return nil, "", errors.New("the archive has no data.pkl: it is not a file of torch.save")
	}
	if members[prefix+"constants.pkl"] != nil {
		return nil, "", errors.New("it is a TorchScript program, not weights")
	}
	return members, prefix, nil
}

// bytes is a member's content, in place. Compressed members are refused: torch writes none, and a small one can claim any size.
func (a archive) bytes(data []byte, name string) ([]byte, error) {
	f := a[name]
	if f == nil {
		return nil, fmt.Errorf("the archive lacks %.64q", name)
	}
	if f.Method != zip.Store || f.CompressedSize64 != f.UncompressedSize64 {
		return nil, fmt.Errorf("%.64q is compressed in the archive; torch stores its members plain: save it again with torch.save", name)
	}
	at, err := f.DataOffset()
	if err != nil {
		return nil, fmt.Errorf("finding %.64q in the archive: %w", name, err)
	}
	if at < 0 || at > int64(len(data)) || f.UncompressedSize64 > uint64(int64(len(data))-at) {
		return nil, fmt.Errorf("%.64q leaves the archive: truncated, or the directory lies", name)
	}
	end := at + int64(f.UncompressedSize64)
	return data[at:end:end], nil
}
