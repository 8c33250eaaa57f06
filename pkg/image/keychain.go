// SPDX-License-Identifier: Apache-2.0

package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	ecr "github.com/awslabs/amazon-ecr-credential-helper/ecr-login"
	"github.com/chrismellard/docker-credential-acr-env/pkg/credhelper"
	"github.com/docker/cli/cli/config"
	"github.com/docker/cli/cli/config/configfile"
	"github.com/docker/cli/cli/config/types"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/google"
)

func newKeychain(opts Options) authn.Keychain {
	return authn.NewMultiKeychain(
		&dockerKeychain{opts},
		&hostKeychain{isECR, authn.NewKeychainFromHelper(ecr.NewECRHelper(ecr.WithLogger(io.Discard)))},
		&hostKeychain{isGoogle, google.Keychain},
		&hostKeychain{isACR, authn.NewKeychainFromHelper(credhelper.NewACRCredentialsHelper())},
	)
}

// hostKeychain asks another keychain for its own hosts only. The helpers check
// the host too, but more loosely ("x.azurecr.io.example.com" is Azure to one).
type hostKeychain struct {
	mine  func(host string) bool
	inner authn.Keychain
}

func (k *hostKeychain) Resolve(r authn.Resource) (authn.Authenticator, error) {
	return k.ResolveContext(context.Background(), r)
}

func (k *hostKeychain) ResolveContext(ctx context.Context, r authn.Resource) (authn.Authenticator, error) {
	if !k.mine(r.RegistryStr()) {
		return authn.Anonymous, nil
	}
	return authn.Resolve(ctx, k.inner, r)
}

func isECR(host string) bool {
	if host == "public.ecr.aws" || host == "ecr-public.aws.com" {
		return true
	}
	if !strings.Contains(host, ".dkr.ecr.") && !strings.Contains(host, ".dkr.ecr-fips.") && !strings.Contains(host, ".dkr-ecr.") && !strings.Contains(host, ".dkr-ecr-fips.") {
		return false
	}
	return hasSuffix(host, ".amazonaws.com", ".amazonaws.com.cn", ".on.aws", ".on.amazonwebservices.com.cn", ".sc2s.sgov.gov", ".c2s.ic.gov", ".cloud.adc-e.uk", ".csp.hci.ic.gov")
}

func isGoogle(host string) bool { return host == "gcr.io" || hasSuffix(host, ".gcr.io", ".pkg.dev") }

func isACR(host string) bool {
	return hasSuffix(host, ".azurecr.io", ".azurecr.cn", ".azurecr.de", ".azurecr.us")
}

func hasSuffix(s string, suffixes ...string) bool {
	for _, suffix := range suffixes {
		if strings.HasSuffix(s, suffix) {
			return true
		}
	}
	return false
}

// dockerKeychain is authn.DefaultKeychain for an environment that is an input.
type dockerKeychain struct{ opts Options }

func (k *dockerKeychain) Resolve(r authn.Resource) (authn.Authenticator, error) {
	cf, err := k.load()
	if err != nil {
		return nil, err
	}
	for _, key := range []string{r.String(), r.RegistryStr()} {
		if key == name.DefaultRegistry {
			key = authn.DefaultAuthKey
		}
		auth, err := cf.GetAuthConfig(key)
		if err != nil {
			return nil, fmt.Errorf("credentials for %s: %w", r.RegistryStr(), err)
		}
		auth.ServerAddress = "" // always set; says nothing
		if auth == (types.AuthConfig{}) {
			continue
		}
		return authn.FromConfig(authn.AuthConfig{
			Username: auth.Username, Password: auth.Password, Auth: auth.Auth,
			IdentityToken: auth.IdentityToken, RegistryToken: auth.RegistryToken,
		}), nil
	}
	return authn.Anonymous, nil
}

// load reads Docker's configuration or, where there is none, Podman's auth.json.
func (k *dockerKeychain) load() (*configfile.ConfigFile, error) {
	if dir := dockerConfigDir(k.opts); dir != "" {
		if _, err := os.Stat(filepath.Join(dir, config.ConfigFileName)); err == nil {
			return config.Load(dir)
		}
	}
	for _, path := range k.podmanFiles() {
		f, err := os.Open(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		defer f.Close()
		return config.LoadFromReader(f)
	}
	return configfile.New(""), nil
}

func (k *dockerKeychain) podmanFiles() []string {
	var files []string
	if f := k.opts.getenv("REGISTRY_AUTH_FILE"); f != "" {
		files = append(files, f)
	}
	if dir := k.opts.getenv("XDG_RUNTIME_DIR"); dir != "" {
		files = append(files, filepath.Join(dir, "containers", "auth.json"))
	}
	if dir := k.opts.getenv("XDG_CONFIG_HOME"); dir != "" {
		files = append(files, filepath.Join(dir, "containers", "auth.json"))
	} else if home := k.opts.getenv("HOME"); home != "" {
		files = append(files, filepath.Join(home, ".config", "containers", "auth.json"))
	}
	return files
}

// dockerConfigDir is where Docker's config.json and contexts are; empty if unknown.
func dockerConfigDir(opts Options) string {
	if dir := opts.getenv("DOCKER_CONFIG"); dir != "" {
		return dir
	}
	if home := opts.getenv("HOME"); home != "" {
		return filepath.Join(home, ".docker")
	}
	return ""
}
