// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/sigstore/sigstore/pkg/signature/kms"
	_ "github.com/sigstore/sigstore/pkg/signature/kms/aws"        // registers itself
	_ "github.com/sigstore/sigstore/pkg/signature/kms/azure"      // registers itself
	_ "github.com/sigstore/sigstore/pkg/signature/kms/gcp"        // registers itself
	_ "github.com/sigstore/sigstore/pkg/signature/kms/hashivault" // registers itself
	"github.com/sigstore/sigstore/pkg/signature/options"
)

const kmsTimeout = 15 * time.Second

// kmsKey fetches a public key once; what is signed is verified here.
func (v *Verifier) kmsKey(ctx context.Context, uri string) (crypto.PublicKey, error) {
	service, err := kmsService(uri)
	if err != nil {
		return nil, err
	}
	if v.opts.Offline {
		return nil, problemf("name the public key itself in the policy (key: {file: …}); it can be exported once with cosign public-key --key "+shorten(uri, maxValue),
			"its key is in a key management service, which is not asked offline")
	}
	if err := kmsEnvironment(ctx, service); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, kmsTimeout)
	defer cancel()
	v.progress("asking " + service + " for a public key")
	pub, err := within(ctx, func() (crypto.PublicKey, error) {
		s, err := kms.Get(ctx, uri, crypto.SHA256)
		if err != nil {
			return nil, err
		}
		return s.PublicKey(options.WithContext(ctx))
	})
	if err != nil {
		return nil, problemf("check the URI, the credentials and the connection to the service; or name the public key itself in the policy (key: {file: …})",
			"could not get its key %s from the key management service: %v", quoted(uri), err)
	}
	return pub, nil
}

// kmsService is the URI's scheme. Anything but what is linked into this program would
// make the library run a program of that name.
func kmsService(uri string) (string, error) {
	scheme, rest, ok := strings.Cut(uri, "://")
	known := []string{"awskms", "azurekms", "gcpkms", "hashivault"}
	if !ok || rest == "" || !slices.Contains(known, scheme) || !slices.Contains(kms.SupportedProviders(), scheme+"://") {
		return "", problemf("write awskms://…, azurekms://…, gcpkms://… or hashivault://…", "its key is in no key management service that is supported")
	}
	return scheme, nil
}

// kmsEnvironment refuses what would let the process's environment say whose key it is,
// where the policy does. It reads what the services' libraries will.
func kmsEnvironment(ctx context.Context, service string) error {
	for _, name := range map[string][]string{
		"awskms":     {"AWS_ENDPOINT_URL_KMS", "AWS_ENDPOINT_URL", "AWS_TLS_INSECURE_SKIP_VERIFY"},
		"gcpkms":     {"GOOGLE_CLOUD_UNIVERSE_DOMAIN"},
		"hashivault": {"VAULT_SKIP_VERIFY", "VAULT_TLS_SERVER_NAME"},
	}[service] {
		if value := os.Getenv(name); value != "" && value != "0" && value != "false" {
			return problemf("unset "+name+"; an endpoint is part of the URI in the policy (awskms://HOST/KEY)",
				"its key is in %s, and the environment variable %s is set, which would let another service answer", service, name)
		}
	}
	switch service {
	case "hashivault":
		return vaultEnvironment()
	case "awskms":
		return awsConfiguration(ctx)
	}
	return nil
}

// awsConfiguration refuses the files that AWS_CONFIG_FILE or the home directory name if
// they send requests elsewhere, which the library heeds even where the URI has an endpoint.
func awsConfiguration(ctx context.Context) error {
	cfg, err := awsconfig.LoadDefaultConfig(ctx)
	if err != nil {
		return problemf("check AWS's configuration", "its key is in awskms, and AWS's configuration cannot be read: %v", err)
	}
	elsewhere := cfg.BaseEndpoint != nil
	for _, source := range cfg.ConfigSources {
		if s, ok := source.(awsconfig.SharedConfig); ok {
			_, found, err := s.GetServiceBaseEndpoint(ctx, "KMS")
			elsewhere = elsewhere || found || err != nil || s.BaseEndpoint != ""
		}
	}
	if elsewhere {
		return problemf("take endpoint_url out of it, or unset AWS_CONFIG_FILE; an endpoint is part of the URI in the policy (awskms://HOST/KEY)",
			"its key is in awskms, and AWS's configuration names an endpoint, which would let another service answer")
	}
	return nil
}

// vaultEnvironment demands an address that can be believed, and a token: without one,
// the library would run the helper program that a file in the home directory names.
func vaultEnvironment() error {
	first := func(names ...string) string {
		for _, n := range names {
			if s := os.Getenv(n); s != "" {
				return s
			}
		}
		return ""
	}
	address := first("VAULT_ADDR", "BAO_ADDR")
	if address == "" {
		return problemf("set VAULT_ADDR to the vault's URL", "its key is in hashivault, and VAULT_ADDR is not set")
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" && !(u.Scheme == "http" && loopback(u.Hostname())) {
		return problemf("use https, or http on loopback", "its key is in hashivault, and VAULT_ADDR is no https URL")
	}
	if first("VAULT_TOKEN", "BAO_TOKEN") == "" {
		return problemf("set VAULT_TOKEN to a token that may read the key", "its key is in hashivault, and VAULT_TOKEN is not set")
	}
	return nil
}

func loopback(host string) bool {
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}

// within runs f, which may neither obey the context nor return: then it is left alone.
func within[T any](ctx context.Context, f func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		r := result{err: errors.New("it ended unexpectedly")}
		defer func() {
			if p := recover(); p != nil {
				r.err = fmt.Errorf("it failed: %v", p)
			}
			done <- r
		}()
		r.value, r.err = f()
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		var none T
		return none, noAnswer(ctx)
	}
}

// noAnswer says why waiting ended.
func noAnswer(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return errors.New("no answer in time")
	}
	return ctx.Err()
}
