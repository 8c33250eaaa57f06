// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"context"
	"errors"
	"path/filepath"
	"sync"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/scan/langpkg"
)

// javaOnce opens the Java database once per image, when the first jar shows.
type javaOnce struct {
	open  func(context.Context) (string, evidence.DatabaseState, error)
	once  sync.Once
	tried bool
	db    *langpkg.JavaDB
	state evidence.DatabaseState
	err   error
}

func (j *javaOnce) get(ctx context.Context) (*langpkg.JavaDB, error) {
	j.once.Do(func() {
		j.tried = true
		if j.open == nil {
			j.err = errors.New("no Java database is configured")
			return
		}
		var dir string
		if dir, j.state, j.err = j.open(ctx); j.err == nil {
			j.db, j.err = langpkg.OpenJavaDB(filepath.Join(dir, "java-db"))
		}
	})
	return j.db, j.err
}

func (j *javaOnce) close() {
	if j.db != nil {
		_ = j.db.Close() // only read
	}
}

func (j *javaOnce) used() *evidence.DatabaseState {
	if !j.tried || j.err != nil {
		return nil
	}
	return &j.state
}

func (j *javaOnce) problems(explain func(error) (evidence.Area, string, string)) []evidence.Problem {
	if j.err == nil {
		return nil
	}
	_, _, hint := explain(j.err)
	return []evidence.Problem{{Area: evidence.AreaDatabase, What: "Java database", Hint: hint,
		Message: "the image holds jar files, which cannot be named without it: " + j.err.Error()}}
}

// JavaDatabase is the database that named the jars; nil if none was needed.
func (inv *Inventory) JavaDatabase() *evidence.DatabaseState { return inv.java }
