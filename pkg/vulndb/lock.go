// SPDX-License-Identifier: Apache-2.0

package vulndb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/gofrs/flock"
)

// lockPoll is how often a process that waits for another one's fetch looks again.
const lockPoll = 50 * time.Millisecond

func newLock(cacheDir string, k kind) *flock.Flock {
	return flock.New(filepath.Join(cacheDir, "."+k.dir+".lock"))
}

// locked runs do while no other process fetches the same database. The lock is
// the kernel's: it ends with the process that holds it. If another process
// failed with the same repositories while this one waited, its failure is
// returned and do is not run: twenty jobs behind a broken network would
// otherwise wait for twenty time-outs, one after the other.
func locked(ctx context.Context, k kind, o Options, do func() error) error {
	if err := os.MkdirAll(o.CacheDir, 0o700); err != nil {
		return err
	}
	lock := newLock(o.CacheDir, k)
	began := time.Now()
	got, err := lock.TryLock()
	waited := err == nil && !got
	if waited {
		o.Progress("waiting for another process that fetches the " + k.name)
		got, err = lock.TryLockContext(ctx, lockPoll)
	}
	if err != nil || !got {
		return errors.Join(fmt.Errorf("lock %s", lock.Path()), err)
	}
	err = nil
	if waited {
		err = failureSince(began, lock.Path(), k)
	}
	if err == nil {
		if err = do(); err != nil && ctx.Err() == nil {
			recordFailure(lock.Path(), k, err)
		}
	}
	return errors.Join(err, lock.Close())
}

// failure is what the lock file holds after a fetch failed.
type failure struct {
	At           time.Time `json:"at"`
	Repositories []string  `json:"repositories"`
	Reason       string    `json:"reason"`
}

// recordFailure leaves a note for those who wait. Without it they try themselves.
func recordFailure(path string, k kind, err error) {
	note := failure{At: time.Now(), Repositories: shownAll(k.repositories), Reason: err.Error()}
	if b, err := json.Marshal(note); err == nil {
		_ = os.WriteFile(path, b, 0o600)
	}
}

// failureSince returns the failure of another process since began.
func failureSince(began time.Time, path string, k kind) error {
	var note failure
	if readJSON(path, &note) != nil || note.At.Before(began) || !slices.Equal(note.Repositories, shownAll(k.repositories)) {
		return nil
	}
	return errors.New("another process tried just now: " + note.Reason)
}

func shownAll(repositories []string) []string {
	all := make([]string, len(repositories))
	for i, r := range repositories {
		all[i] = shown(r)
	}
	return all
}
