// Drives the stock Go provider by the lines that tests/src/testbed/driver.rs describes.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"

	flagd "github.com/open-feature/go-sdk-contrib/providers/flagd/pkg"
	of "github.com/open-feature/go-sdk/openfeature"
)

type request struct {
	Op       string
	Provider string
	Kind     string
	Port     uint16
	Options  struct{ Selector, Cache string }
	Type     string
	Key      string
	Default  json.RawMessage
	Context  map[string]any
}

type line = map[string]any

var output sync.Mutex

func say(text line) {
	output.Lock()
	defer output.Unlock()
	if err := json.NewEncoder(os.Stdout).Encode(text); err != nil {
		panic(err)
	}
}

func main() {
	input := bufio.NewScanner(os.Stdin)
	input.Buffer(nil, 1<<20)
	for input.Scan() {
		var ask request
		if err := decode(input.Text(), &ask); err != nil {
			panic(err)
		}
		go func() {
			said, err := answer(ask)
			if err != nil {
				said = line{"error": err.Error()}
			}
			said["provider"] = ask.Provider
			say(said)
		}()
	}
}

func answer(ask request) (line, error) {
	switch ask.Op {
	case "open":
		return line{}, open(ask)
	case "evaluate":
		return evaluate(ask)
	default:
		return line{}, of.SetNamedProviderAndWait(ask.Provider, of.NoopProvider{})
	}
}

func open(ask request) error {
	options := []flagd.ProviderOption{
		flagd.WithHost("127.0.0.1"),
		flagd.WithPort(ask.Port),
		flagd.WithDeadline(5000),
		flagd.WithRetryBackoffMs(100),
		flagd.WithRetryBackoffMaxMs(1000),
		flagd.WithRetryGracePeriod(2),
	}
	if ask.Kind == "rpc" {
		options = append(options, flagd.WithRPCResolver())
	} else {
		options = append(options, flagd.WithInProcessResolver())
	}
	if ask.Options.Cache == "disabled" {
		options = append(options, flagd.WithoutCache())
	}
	if ask.Options.Selector != "" {
		options = append(options, flagd.WithSelector(ask.Options.Selector))
	}
	provider, err := flagd.NewProvider(options...)
	if err != nil {
		return err
	}
	if err := of.SetNamedProviderAndWait(ask.Provider, provider); err != nil {
		return err
	}
	tellEvents(ask.Provider) // that it is ready is told to handlers that come later
	return nil
}

func tellEvents(provider string) {
	events := map[string]of.EventType{
		"ready":  of.ProviderReady,
		"stale":  of.ProviderStale,
		"error":  of.ProviderError,
		"change": of.ProviderConfigChange,
	}
	client := of.NewClient(provider)
	for event, kind := range events {
		callback := func(details of.EventDetails) {
			say(line{"event": event, "provider": provider, "flags": details.FlagChanges})
		}
		client.AddHandler(kind, &callback)
	}
}

func evaluate(ask request) (line, error) {
	client := of.NewClient(ask.Provider)
	key, _ := ask.Context["targetingKey"].(string)
	if key != "" {
		delete(ask.Context, "targetingKey")
	}
	with := of.NewEvaluationContext(key, numbers(ask.Context).(map[string]any))
	text, now := string(ask.Default), context.Background()
	switch ask.Type {
	case "Boolean":
		return details(text, func(or bool) (of.BooleanEvaluationDetails, error) {
			return client.BooleanValueDetails(now, ask.Key, or, with)
		})
	case "String":
		return details(text, func(or string) (of.StringEvaluationDetails, error) {
			return client.StringValueDetails(now, ask.Key, or, with)
		})
	case "Integer":
		return details(text, func(or int64) (of.IntEvaluationDetails, error) {
			return client.IntValueDetails(now, ask.Key, or, with)
		})
	case "Float":
		return details(text, func(or float64) (of.FloatEvaluationDetails, error) {
			return client.FloatValueDetails(now, ask.Key, or, with)
		})
	case "Object":
		return details(text, func(or any) (of.InterfaceEvaluationDetails, error) {
			return client.ObjectValueDetails(now, ask.Key, or, with)
		})
	}
	return nil, fmt.Errorf("unknown type %q", ask.Type)
}

// details evaluates; an error of the client is in its details too and no error of the driver.
func details[T any](text string, resolve func(T) (of.GenericEvaluationDetails[T], error)) (line, error) {
	var or T
	if err := json.Unmarshal([]byte(text), &or); err != nil {
		return nil, err
	}
	got, err := resolve(or)
	if err != nil && got.ErrorCode == "" {
		return nil, errors.Join(errors.New("an error without a code"), err)
	}
	return line{
		"value": got.Value, "variant": got.Variant, "reason": got.Reason,
		"errorCode": got.ErrorCode, "errorMessage": got.ErrorMessage, "metadata": got.FlagMetadata,
	}, nil
}

func decode(text string, into any) error {
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	return decoder.Decode(into)
}

// numbers makes each JSON number an int64 if it is written as one, else a float64.
func numbers(value any) any {
	switch value := value.(type) {
	case json.Number:
		if whole, err := value.Int64(); err == nil {
			return whole
		}
		fraction, _ := value.Float64()
		return fraction
	case []any:
		for at := range value {
			value[at] = numbers(value[at])
		}
		return value
	case map[string]any:
		for key := range value {
			value[key] = numbers(value[key])
		}
		return value
	case nil:
		return map[string]any{}
	}
	return value
}
