// SPDX-License-Identifier: Apache-2.0

package vulndb

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	trivydb "github.com/aquasecurity/trivy-db/pkg/db"
	javadb "github.com/aquasecurity/trivy-java-db/pkg/db"
	bolt "go.etcd.io/bbolt"
)

// The names of the two databases, as messages give them.
const (
	kindVulnerability = "vulnerability database"
	kindJava          = "Java database"
)

// kind is what tells the two databases apart.
type kind struct {
	name string
	// dir is the subdirectory of the cache, file the name of the database in it.
	dir, file string
	schema    int
	mediaType string
	// repositories in the order in which they are tried; flag is the flag that sets them.
	repositories []string
	flag         string
	// limit bounds the unpacked size.
	limit int64
	// check examines the file and returns the names of its top-level buckets.
	check func(path string, info os.FileInfo) ([]string, error)
}

const maxUnpacked = 8 << 30

func vulnerabilityKind(o Options) kind {
	k := kind{
		name: kindVulnerability, dir: "db", file: "trivy.db", schema: trivydb.SchemaVersion,
		mediaType:    "application/vnd.aquasec.trivy.db.layer.v1.tar+gzip",
		repositories: o.Repositories, flag: "--db-repository",
		limit: maxUnpacked, check: checkBolt,
	}
	if len(k.repositories) == 0 {
		k.repositories = DefaultRepositories()
	}
	return k
}

func javaKind(o Options) kind {
	k := kind{
		name: kindJava, dir: "java-db", file: "trivy-java.db", schema: javadb.SchemaVersion,
		mediaType:    "application/vnd.aquasec.trivy.javadb.layer.v1.tar+gzip",
		repositories: o.JavaRepositories, flag: "--java-db-repository",
		limit: maxUnpacked, check: checkSQLite,
	}
	if len(k.repositories) == 0 {
		k.repositories = DefaultJavaRepositories()
	}
	return k
}

var (
	errReplaced  = errors.New("the database was replaced meanwhile")
	errTruncated = errors.New("the file is truncated")
)

// checkBolt opens the file read-only and returns its top-level buckets. A file
// shorter than its own page count would end the process on first touch, because
// bbolt maps it into memory, so that is looked at too.
func checkBolt(path string, info os.FileInfo) (buckets []string, err error) {
	defer func() {
		if r := recover(); r != nil {
			buckets, err = nil, fmt.Errorf("not a readable bbolt database: %v", r)
		}
	}()
	if info.Size() == 0 {
		return nil, errTruncated
	}
	db, err := bolt.Open(path, 0, &bolt.Options{ReadOnly: true, Timeout: lockTimeout, OpenFile: func(p string, _ int, _ os.FileMode) (*os.File, error) {
		f, err := os.Open(p)
		if err != nil {
			return nil, err
		}
		if now, err := f.Stat(); err != nil || !sameFile(now, info) {
			return nil, errors.Join(errReplaced, err, f.Close())
		}
		return f, nil
	}})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	err = db.View(func(tx *bolt.Tx) error {
		if tx.Size() > info.Size() {
			return errTruncated
		}
		return tx.ForEach(func(name []byte, _ *bolt.Bucket) error {
			buckets = append(buckets, string(name))
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	slices.Sort(buckets)
	if _, found := slices.BinarySearch(buckets, "vulnerability"); !found {
		return nil, errors.New(`not a vulnerability database: it has no bucket "vulnerability"`)
	}
	return buckets, nil
}

// checkSQLite reads the header: https://www.sqlite.org/fileformat.html#the_database_header.
func checkSQLite(path string, info os.FileInfo) ([]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // only read
	if now, err := f.Stat(); err != nil || !sameFile(now, info) {
		return nil, errors.Join(errReplaced, err)
	}
	var h [100]byte
	if _, err := io.ReadFull(f, h[:]); err != nil {
		return nil, errTruncated
	}
	if string(h[:16]) != "SQLite format 3\x00" {
		return nil, errors.New("not an SQLite database")
	}
	page := int64(binary.BigEndian.Uint16(h[16:]))
	if page == 1 {
		page = 65536
	}
	pages := int64(binary.BigEndian.Uint32(h[28:]))
	valid := binary.BigEndian.Uint32(h[24:]) == binary.BigEndian.Uint32(h[92:])
	if valid && pages*page > info.Size() {
		return nil, errTruncated
	}
	return nil, nil
}
