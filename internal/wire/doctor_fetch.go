package wire

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/minio/minio-go/v7"

	"vecmill/sinks/objectstore"
	"vecmill/sinks/s3store"
)

// fetch looks at what references may reach.
func (d *doctor) fetch(ctx context.Context) {
	f := &d.c.Fetch
	for _, root := range f.FileRoots {
		if info, err := os.Stat(root); err != nil {
			d.fault("fetch", fmt.Errorf("fetch.file_roots: %w; mount it, or take it out of the list", err))
		} else if !info.IsDir() {
			d.say("fetch", Trouble, "fetch.file_roots: %s is not a directory; name the one that the files lie in", root)
		}
	}
	if _, err := newFetcher(d.c, d.stores); err != nil {
		d.fault("fetch", err)
		return
	}
	well := true
	for _, b := range f.Buckets {
		if b == "*" {
			d.say("fetch", Doubt, "fetch.buckets is *: references may name any bucket that the credentials reach; list the buckets if others write references")
			return
		}
		well = d.bucket(ctx, b) && well
	}
	if well {
		d.say("fetch", Sound, "buckets %v, hosts %v, file roots %v", f.Buckets, f.Hosts, f.FileRoots)
	}
}

// bucket looks into a bucket, or a prefix of it, that references may name.
func (d *doctor) bucket(ctx context.Context, place string) bool {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	_, _, err := d.stores.open(ctx, "s3://"+place)
	listed := err == nil
	if _, no := denied(err); err != nil && !no {
		d.fault("fetch", fmt.Errorf("fetch.buckets: %w", err))
		return false
	}
	name, prefix, _ := strings.Cut(place, "/")
	store, err := d.stores.bucket(name)
	if err != nil {
		d.fault("fetch", err)
		return false
	}
	return d.mayGet(ctx, store, place, strings.Trim(prefix, "/"), listed)
}

// noObject is a name that no object has.
const noObject = "vecmill-doctor-asks-for-what-is-not-there"

// mayGet tries the right to get objects, the only one that fetching needs, by the first byte of one that is there. Where none is, or none may be listed, one is asked for that is not there:
// S3 says so to whoever may get it and list its bucket, and denies it to others. The right to list that a policy gives for a prefix alone is not enough for it, so what is denied then tells
// nothing of the right to get.
func (d *doctor) mayGet(ctx context.Context, store *s3store.Store, place, prefix string, listed bool) bool {
	below, isThere := "", false
	if prefix != "" {
		below = prefix + "/"
	}
	key := below + noObject
	err := atStart(ctx, func(ctx context.Context) error {
		if listed && !isThere {
			page, _, err := store.Page(ctx, below, "")
			if err != nil {
				return err
			}
			for i := range page {
				if page[i].Size > 0 {
					key, isThere = page[i].Key, true
					break
				}
			}
		}
		_, err := store.Read(ctx, key, 0, 1)
		if archived(err) || errors.Is(err, objectstore.ErrNotFound) {
			return nil // which only those are told, too, who may get it
		}
		return err
	})
	message, no := denied(err)
	switch {
	case no && isThere:
		d.say("fetch", Trouble, "fetch.buckets: %s is in %s, and may not be got (%s): references to such objects become dead letters (fetch-denied); %s", key, place, message, rightToGet)
	case no && listed && prefix == "":
		d.say("fetch", Trouble, "fetch.buckets: objects of %s may not be got (%s): references to them become dead letters (fetch-denied); %s, or name the prefixes that they may be got from", place, message, rightToGet)
	case no:
		d.say("fetch", Doubt, "fetch.buckets: whether objects of %s may be got cannot be told (%s): a store denies one that is not there to whoever may not list the whole bucket, too; see that these credentials have s3:GetObject there, which is all that a worker needs", place, message)
	case err != nil:
		d.fault("fetch", fmt.Errorf("fetch.buckets: %w", err))
	}
	return err == nil
}

// denied says whether a store has refused for want of a right, and in which words.
func denied(err error) (message string, no bool) {
	answer, _ := errors.AsType[minio.ErrorResponse](err)
	return answer.Message, answer.Code == minio.AccessDenied
}
