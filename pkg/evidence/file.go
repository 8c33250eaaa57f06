// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"fmt"
	"strconv"
)

// FileKind is what a file is.
type FileKind string

// The kinds.
const (
	FileRegular   FileKind = "file"
	FileDirectory FileKind = "directory"
	FileSymlink   FileKind = "symlink"
	FileHardlink  FileKind = "hardlink"
	FileCharacter FileKind = "character-device"
	FileBlock     FileKind = "block-device"
	FileFIFO      FileKind = "fifo"
)

// Mode is a Unix file mode: permissions, setuid, setgid and sticky bit, written in octal.
type Mode uint32

// The bits that rules ask for.
const (
	ModeSetuid        Mode = 0o4000
	ModeSetgid        Mode = 0o2000
	ModeSticky        Mode = 0o1000
	ModeWorldWritable Mode = 0o0002
	ModeExecutable    Mode = 0o0111
)

// String is the mode in octal, four digits: "4755".
func (m Mode) String() string { return fmt.Sprintf("%04o", uint32(m)) }

// MarshalText implements encoding.TextMarshaler.
func (m Mode) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (m *Mode) UnmarshalText(b []byte) error {
	n, err := strconv.ParseUint(string(b), 8, 32)
	if err != nil {
		return fmt.Errorf("file mode %q is no octal number", b)
	}
	*m = Mode(n)
	return nil
}

// File is a file of interest: one with a privilege (setuid, setgid, file
// capabilities, world-writable without the sticky bit), a device node, one of the
// well-known Classes, a link by which the files of a directory have a second path, or
// one that a pattern of the policy asks for. Files that a later
// layer deletes or replaces are listed too, and of these the large ones whatever they
// are: the image still carries them.
//
// Of the classes version-control and cache the directory is listed, with the sum of
// the sizes of what is in it. What lies below a directory that anyone may write to is not
// listed for being world-writable, and neither is what is deleted.
type File struct {
	// Path is without a leading slash, as in a layer.
	Path string   `json:"path"`
	Kind FileKind `json:"kind"`
	Mode Mode     `json:"mode"`
	UID  int      `json:"uid"`
	GID  int      `json:"gid"`
	Size int64    `json:"size"`
	// Target is where a link points.
	Target string `json:"target,omitempty"`
	// Capabilities are those that the file grants (security.capability), as in
	// capabilities(7): "cap_net_raw". Sorted.
	Capabilities []string `json:"capabilities,omitempty"`
	// Classes are the well-known classes that the path belongs to, sorted.
	Classes []FileClass `json:"classes,omitempty"`
	// Layer brought the file; RemovedBy deleted or replaced it, nil if it is there at run time.
	Layer     Layer  `json:"layer"`
	RemovedBy *Layer `json:"removedBy,omitempty"`
}

// LargeFile is from which size a deleted or replaced file is listed, in bytes.
const LargeFile = 1 << 20

// FileClass is a well-known class of files that do not belong in an image.
type FileClass string

// The classes, by path.
const (
	// ClassPackageManager: apk, apt, dpkg, yum, dnf, rpm, zypper, pip, npm, gem, … executables.
	ClassPackageManager FileClass = "package-manager"
	// ClassShell: sh, bash, ash, dash, zsh, busybox, … executables.
	ClassShell FileClass = "shell"
	// ClassVersionControl: .git, .svn, .hg directories.
	ClassVersionControl FileClass = "version-control"
	// ClassDotenv: .env files.
	ClassDotenv FileClass = "dotenv"
	// ClassPrivateKey: private keys by name (id_rsa, *.key, *.p12) in usual places.
	ClassPrivateKey FileClass = "private-key"
	// ClassCredentials: .netrc, .npmrc, .docker/config.json, .aws/credentials, kubeconfig, …
	ClassCredentials FileClass = "credentials"
	// ClassCompiler: gcc, cc, make, go, … executables.
	ClassCompiler FileClass = "compiler"
	// ClassCache: package manager caches (var/cache/apk, var/lib/apt/lists, …).
	ClassCache FileClass = "cache"
)

// FileClasses lists all classes, sorted.
func FileClasses() []FileClass {
	return []FileClass{ClassCache, ClassCompiler, ClassCredentials, ClassDotenv, ClassPackageManager,
		ClassPrivateKey, ClassShell, ClassVersionControl}
}

// Waste is space that layers take for files which a later layer overwrites or
// deletes, computed as dive does.
type Waste struct {
	// Bytes is the sum over Files, and TotalBytes the size of all files of all layers.
	Bytes      int64 `json:"bytes"`
	TotalBytes int64 `json:"totalBytes"`
	// Files are the largest wasters, at most 100, largest first.
	Files []WastedFile `json:"files,omitempty"`
}

// WastedFile is a path that more than one layer carries, or that one deletes.
type WastedFile struct {
	Path string `json:"path"`
	// Count is the number of layers that carry or delete it, Bytes what they take together.
	Count int   `json:"count"`
	Bytes int64 `json:"bytes"`
}
