package Bellis::Message;

# A message is msgpack. Data::MessagePack packs it, and unpacks most. It knows no extension types, which may stand in
# keys that a worker is to ignore. What it does not read is read here.

use strict;
use warnings;
use Data::MessagePack;

my $packer = Data::MessagePack->new->utf8(1);    # utf8: texts are str, and not bin

sub pack_message { return $packer->pack($_[0]) }

# [kind, fields], or nothing if that is no message.
sub unpack_message {
    my ($bytes) = @_;
    my $message = eval { $packer->unpack($bytes) } // eval { value(\$bytes, \(my $at = 0)) };
    return if ref $message ne 'ARRAY' || @$message != 2 || ref $message->[1] ne 'HASH';
    return @$message;
}

my %number = (
    0xca => ['f>', 4], 0xcb => ['d>', 8],
    0xcc => ['C', 1], 0xcd => ['n', 2], 0xce => ['N', 4], 0xcf => ['Q>', 8],
    0xd0 => ['c', 1], 0xd1 => ['s>', 2], 0xd2 => ['l>', 4], 0xd3 => ['q>', 8],
);
my %text = (
    0xc4 => ['C', 1], 0xc5 => ['n', 2], 0xc6 => ['N', 4],
    0xd9 => ['C', 1], 0xda => ['n', 2], 0xdb => ['N', 4],
);
my %ext   = (0xc7 => ['C', 1], 0xc8 => ['n', 2], 0xc9 => ['N', 4]);
my %array = (0xdc => ['n', 2], 0xdd => ['N', 4]);
my %map   = (0xde => ['n', 2], 0xdf => ['N', 4]);

sub take {
    my ($bytes, $at, $size) = @_;
    die "the message ends too early\n" if $$at + $size > length $$bytes;
    $$at += $size;
    return substr($$bytes, $$at - $size, $size);
}

sub number { return unpack($_[2][0], take($_[0], $_[1], $_[2][1])) }

sub value {
    my ($bytes, $at) = @_;
    my $type = unpack('C', take($bytes, $at, 1));
    return $type                                             if $type < 0x80;
    return $type - 256                                       if $type >= 0xe0;
    return pairs($bytes, $at, $type & 0x0f)                  if $type < 0x90;
    return items($bytes, $at, $type & 0x0f)                  if $type < 0xa0;
    return text($bytes, $at, $type & 0x1f)                   if $type < 0xc0;
    return number($bytes, $at, $number{$type})               if $number{$type};
    return text($bytes, $at, number($bytes, $at, $text{$type})) if $text{$type};
    return items($bytes, $at, number($bytes, $at, $array{$type})) if $array{$type};
    return pairs($bytes, $at, number($bytes, $at, $map{$type})) if $map{$type};
    return $type == 0xc3 ? 1 : $type == 0xc2 ? 0 : undef     if $type <= 0xc3;
    my $size = $ext{$type} ? number($bytes, $at, $ext{$type}) : 1 << ($type - 0xd4);
    take($bytes, $at, 1 + $size);
    return;
}

sub text {
    my $text = take(@_);
    utf8::decode($text);
    return $text;
}

sub items {
    my ($bytes, $at, $count) = @_;
    return [map { scalar value($bytes, $at) } 1 .. $count];
}

sub pairs {
    my ($bytes, $at, $count) = @_;
    my %pairs;
    for (1 .. $count) {
        my $key = value($bytes, $at) // '';
        $pairs{$key} = value($bytes, $at);
    }
    return \%pairs;
}

1;
