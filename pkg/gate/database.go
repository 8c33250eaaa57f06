// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"context"
	"errors"
	"fmt"

	"github.com/ocigate/ocigate/pkg/evidence"
)

// OpenedDatabase is a vulnerability database that is ready to be matched with.
type OpenedDatabase struct {
	State evidence.DatabaseState
	// Platforms are the names of its advisory buckets.
	Platforms []string
	Close     func() error
}

// Database is the database of one run, on its way.
type Database struct {
	done   chan struct{}
	opened *OpenedDatabase
	err    error
	cancel context.CancelFunc
}

// Wait returns the database, or why there is none.
func (d *Database) Wait(ctx context.Context) (*OpenedDatabase, error) {
	select {
	case <-d.done:
		return d.opened, d.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// database begins to make the database ready, if anything asks for it.
func (g *Gate) database(ctx context.Context, req Request) *Database {
	ctx, cancel := context.WithCancel(ctx)
	d := &Database{done: make(chan struct{}), cancel: cancel}
	if req.Scope != "" {
		d.err = errors.New("no database is used")
		close(d.done)
		return d
	}
	go func() {
		defer close(d.done)
		defer func() {
			if p := recover(); p != nil {
				d.opened, d.err = nil, fmt.Errorf("open the database: panic: %v", p)
			}
		}()
		d.opened, d.err = g.OpenDatabase(ctx)
	}()
	return d
}

// close waits for the database, which may still be on its way when the image could
// not be opened.
func (d *Database) close(ctx context.Context) {
	if opened, err := d.Wait(ctx); err == nil && opened.Close != nil {
		_ = opened.Close() // read-only: nothing to lose
	}
	d.cancel()
}

// abandon ends what nobody waits for any more.
func (d *Database) abandon() {
	d.cancel()
	ctx, cancel := context.WithTimeout(context.Background(), lookGrace)
	defer cancel()
	d.close(ctx)
}
